"""A router that is net-snmp's agent is asked for its networks, and tells those that it has."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from services.discovery.gateway import Told, ask_gateway
from services.discovery.interfaces import own_interfaces
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.snmp.client import SnmpClient
from tests.peers.snmpd import AUTH_PASSWORD, PRIVACY_PASSWORD, Snmpd, running

V1 = Credential(version="1", community=SecretStr("public"))
V3 = Credential(
    version="3",
    user=SecretStr("sha256-aes128"),
    auth="sha256",
    auth_password=SecretStr(AUTH_PASSWORD),
    privacy="aes128",
    privacy_password=SecretStr(PRIVACY_PASSWORD),
)


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with running(Snmpd(tmp_path_factory.mktemp("snmpd"))) as agent:
        yield agent


async def told(agent: Snmpd, credential: Credential) -> Told:
    ceiling = Ceiling((ip_network("127.0.0.1/32"),), frozenset({agent.port}))
    async with SnmpClient(ceiling, tries=5) as client:
        session = client.session(agent.address, agent.port, credential, deadline_s=30)
        return await ask_gateway(session)


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize("credential", [PUBLIC, V1, V3], ids=["v2c", "v1", "v3"])
async def test_net_snmp_tells_the_networks_that_this_box_has(
    snmpd: Snmpd, credential: Credential
) -> None:
    """Its agent runs here, so that its tables must say what the system says by another way."""
    found = await told(snmpd, credential)

    ipv4 = [one for one in own_interfaces() if one.network.version == 4]
    own = {one.network: one.interface.partition(":")[0] for one in ipv4}  # eth0:1 is a label
    tables = {one.network: one for one in found.found}
    assert own.keys() <= tables.keys()
    names = {network: found.interfaces.get(tables[network].if_index or 0) for network in own}
    assert names == own
    assert all(tables[network].gateway is None for network in own)


@pytest.mark.peer("snmpd")
async def test_asking_it_costs_few_datagrams(snmpd: Snmpd) -> None:
    ceiling = Ceiling((ip_network("127.0.0.1/32"),), frozenset({snmpd.port}))
    async with SnmpClient(ceiling, tries=5) as client:
        await ask_gateway(client.session(snmpd.address, snmpd.port, PUBLIC))

    assert client.traffic.packets_out <= 20
