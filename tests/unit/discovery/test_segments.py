"""Which networks a router's tables tell, and which of them people may choose from."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from services.discovery.gateway import Told, ask_gateway
from services.discovery.segments import (
    ADDRESSES,
    IP,
    ROUTES,
    Found,
    Source,
    Tables,
    is_listed,
    neighbours_in,
    once_each,
)
from services.solo.simulator import Rows, SimulatedAgent
from shared.credentials import PUBLIC, Credential
from shared.snmp.client import SnmpClient
from shared.snmp.port import Value, Varbind
from shared.snmprec import read_snmprec
from shared.spans import Spans, span_of
from tests.peers.agent import Agents

pytest_plugins = ["tests.peers.agent"]  # where no conftest is read: the slim environments

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recordings of real devices are not beside this tree"
)
IP_ADDR, _, _ = ADDRESSES
INET_CIDR, IP_CIDR, IP_ROUTE = ROUTES


def tables(**columns: dict[str, Value]) -> Tables:
    """`c21_1_7={"10.0.0.0": …}` is the column .21.1.7 below ip."""
    return {
        (column := f"{IP}.{name[1:].replace('_', '.')}"): {
            at: Varbind(f"{column}.{at}", "", value) for at, value in rows.items()
        }
        for name, rows in columns.items()
    }


def told(source: Source, rows: Tables) -> dict[str, str | None]:
    """Network -> next hop."""
    return {str(one.network): one.gateway for one in source.read(rows)}


def test_a_route_is_attached_or_has_its_next_hop() -> None:
    """Printers mark their own network as remote, by way of their own address."""
    rows = tables(
        c21_1_11={
            "10.0.1.0": "255.255.255.0",
            "10.0.2.0": "255.255.255.0",
            "10.0.3.0": "255.255.255.0",
            "10.0.4.0": "255.255.255.0",
            "10.0.5.0": "255.0.255.0",
        },
        c21_1_7={
            "10.0.1.0": "0.0.0.0",
            "10.0.2.0": "10.0.2.9",
            "10.0.3.0": "10.0.1.254",
            "10.0.4.0": "10.0.1.254",
        },
        c21_1_8={"10.0.1.0": 3, "10.0.2.0": 4, "10.0.3.0": 1, "10.0.4.0": 2},
    )

    assert told(IP_ROUTE, rows) == {
        "10.0.1.0/24": None,
        "10.0.2.0/24": None,
        "10.0.3.0/24": "10.0.1.254",
    }


def test_rejected_and_blackholed_routes_lead_nowhere() -> None:
    rows = tables(
        c24_7_1_8={
            "1.4.10.0.1.0.24.2.0.0.1.4.10.9.0.1": 4,
            "1.4.10.0.2.0.24.2.0.0.1.4.10.9.0.1": 2,
            "1.4.10.0.3.0.24.2.0.0.1.4.10.9.0.1": 5,
        }
    )

    assert told(INET_CIDR, rows) == {"10.0.1.0/24": "10.9.0.1"}


def test_a_table_without_its_type_column_is_read_all_the_same() -> None:
    rows = tables(c24_4_1_5={"10.0.1.0.255.255.255.0.0.0.0.0.0": 7})

    [found] = IP_CIDR.read(rows)

    assert found == Found(ip_network("10.0.1.0/24"), "ipCidrRouteTable", None, 7)


@pytest.mark.parametrize(
    ("network", "is_there"),
    [
        ("10.20.0.0/16", True),
        ("fd00:1::/64", True),
        ("0.0.0.0/0", False),
        ("0.0.0.0/1", False),
        ("10.0.0.7/32", False),
        ("10.0.0.6/31", False),
        ("10.0.0.4/30", True),
        ("127.0.0.0/8", False),
        ("127.20.0.0/24", True),
        ("169.254.0.0/16", False),
        ("224.0.0.0/8", False),
        ("fe80::/64", False),
        ("192.0.2.0/24", False),
        ("198.51.100.0/25", True),
        ("198.51.100.0/24", False),
    ],
)
def test_private_networks_are_listed_and_what_the_ceiling_names(
    network: str, is_there: bool
) -> None:
    allowed: Spans = [span_of(ip_network(one)) for one in ("127.20.0.0/24", "198.51.100.0/25")]

    assert is_listed(ip_network(network), allowed) is is_there


def test_a_network_told_twice_is_attached_where_one_says_so() -> None:
    network = ip_network("10.0.1.0/24")
    by_way, attached = Found(network, "a", "10.9.0.1"), Found(network, "b", None, 3)

    assert once_each([by_way, attached, by_way]) == [attached]


def test_only_neighbours_with_a_mac_are_hosts() -> None:
    mac = bytes(6)
    known = ("3.10.0.0.1", "10.0.0.3", "3.1.2.3.999")
    rows = tables(c22_1_2={"3.10.0.0.2": b"", **dict.fromkeys(known, mac)})

    assert len(neighbours_in(rows)) == 1


async def asked(agents: Agents, agent: SimulatedAgent, credential: Credential = PUBLIC) -> Told:
    address = await agents.start(agent)
    async with SnmpClient(agents.ceiling, timeout_s=0.3) as client:
        return await ask_gateway(client.session(address, agents.port, credential, deadline_s=20))


def routes(count: int, *more: str) -> Rows:
    """An inetCidrRouteTable with `count` public routes before those of `more`."""
    numbers = [f"9.{at >> 8}.{at & 255}.0" for at in range(count)]
    return {
        f"{IP}.24.7.1.8.1.4.{network}.24.2.0.0.1.4.10.9.0.1": ("Integer32", 4)
        for network in (*numbers, *more)
    }


async def test_of_a_table_that_is_too_long_the_private_networks_are_read(agents: Agents) -> None:
    """A router on the Internet has a million routes, and they come first."""
    agent = SimulatedAgent(routes(2000, "10.1.2.0", "172.20.0.0", "192.168.7.0"))

    found = await asked(agents, agent)

    private = {str(one.network) for one in found.found if is_listed(one.network, [])}
    assert private == {"10.1.2.0/24", "172.20.0.0/24", "192.168.7.0/24"}
    assert any("over 300 rows" in note for note in found.notes)
    assert agent.requests < 100


async def test_a_v1_router_is_asked_row_by_row_and_no_arp(agents: Agents) -> None:
    rows = {**routes(0, "10.1.2.0", "10.1.3.0"), f"{IP}.22.1.2.1.10.1.2.9": ("OctetString", b"m")}

    found = await asked(agents, SimulatedAgent(rows, v1_only=True))

    assert {str(one.network) for one in found.found} == {"10.1.2.0/24", "10.1.3.0/24"}
    assert found.neighbours is None


async def test_the_first_table_of_a_kind_that_tells_is_the_last_that_is_asked(
    agents: Agents,
) -> None:
    rows: Rows = {
        f"{IP}.20.1.2.10.1.2.1": ("Integer32", 4),
        f"{IP}.20.1.3.10.1.2.1": ("IpAddress", "255.255.255.0"),
        f"{IP}.24.4.1.6.10.1.3.0.255.255.255.0.0.10.1.2.254": ("Integer32", 4),
        f"{IP}.21.1.11.10.1.9.0": ("IpAddress", "255.255.255.0"),
        "1.3.6.1.2.1.31.1.1.1.1.4": ("OctetString", b"Vlan20"),
    }

    found = await asked(agents, SimulatedAgent(rows))

    assert [(str(one.network), one.table, one.gateway) for one in found.found] == [
        ("10.1.2.0/24", "ipAddrTable", None),
        ("10.1.3.0/24", "ipCidrRouteTable", "10.1.2.254"),
    ]
    assert found.interfaces == {4: "Vlan20"}
    assert found.neighbours == []


@needs_recordings
@pytest.mark.parametrize(
    ("stem", "network", "hop"),
    [
        ("neg_fortigate-60f", "10.150.1.0/24", None),
        ("neg_mikrotik-crs317", "10.10.12.0/24", None),
        ("hp_lj-mfp-m130nw", "192.168.223.0/24", None),
        ("konica_bizhub-c250i", "192.168.100.0/24", None),
        ("zebra_tlp2824-plus", "10.180.116.0/24", None),
        ("oki_mc873", "10.10.104.0/24", None),
    ],
)
async def test_recorded_devices_tell_their_networks(
    agents: Agents, stem: str, network: str, hop: str | None
) -> None:
    rows = read_snmprec(RECORDINGS / f"{stem}.snmprec")

    found = await asked(agents, SimulatedAgent(rows))

    listed = {one.network: one for one in once_each(found.found) if is_listed(one.network, [])}
    assert listed[ip_network(network)].gateway == hop
    assert all(network.prefixlen >= 8 for network in listed)
