"""Agents of others' making, net-snmp's and snmpsim, are read as our own simulator is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from services.solo.simulator import Rows, SimulatedAgent
from shared.ceiling import Ceiling
from shared.credentials import Credential, save_credential
from shared.messages import MeterRead
from shared.snmp.client import SnmpClient, WireSession
from shared.snmp.port import Value
from shared.snmprec import read_snmprec
from tests.contract.polled import WALKS, running_poller, said, walk
from tests.peers import snmpsim as snmpsim_peer
from tests.peers.agent import Agents
from tests.peers.snmpd import Snmpd, running

Version = Literal["1", "2c"]
Flat = Mapping[str, tuple[str, Value]]

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SYSTEM, PRINTER_MIB, KYOCERA = "1.3.6.1.2.1.1", "1.3.6.1.2.1.43", "1.3.6.1.4.1.1347"
COMMUNITY = "printer"
DEVICES = sorted(path.stem for path in WALKS.glob("*.snmprec"))
COLOUR = walk("kyocera-colour-mfp")
_SNMPD_TYPES = {
    "Integer32": "integer",
    "Counter32": "counter",
    "Gauge32": "uinteger",
    "ObjectIdentifier": "object_id",
    "OctetString": "octet_str",
}


def below(rows: Rows, *subtrees: str) -> dict[str, tuple[str, Any]]:
    return {
        oid: row for oid, row in rows.items() if oid.startswith(tuple(f"{s}." for s in subtrees))
    }


def columns(rows: Rows) -> list[str]:
    """Of the tables of the Printer MIB."""
    return list(dict.fromkeys(".".join(oid.split(".")[:11]) for oid in below(rows, PRINTER_MIB)))


async def flat(session: WireSession, rows: Rows) -> Flat:
    """Every scalar by GET and every column by a walk, in one mapping."""
    found = await session.get([oid for oid in rows if not oid.startswith(PRINTER_MIB)])
    table = await session.table(columns(rows))
    cells = [cell for column in table.values() for cell in column.values()]
    return {one.oid: (one.type, one.value) for one in [*found.values(), *cells]}


def client(port: int) -> SnmpClient:
    return SnmpClient(Ceiling((ip_network("127.0.0.0/8"),), frozenset({port})), tries=5)


def known_as(folder: Path, community: str, version: Version = "2c") -> str:
    """The name of a credential for the poller that is started in `folder`."""
    name = f"{community}-{version}"
    credential = Credential(version=version, community=SecretStr(community))
    save_credential(folder / "credentials.json", name, credential)
    return name


async def read_by_us(agents: Agents, folder: Path, rows: Rows, **limits: Any) -> dict[str, Any]:
    """What a read says of a simulated device with these rows."""
    address = str(ip_address("127.64.0.1"))
    await agents.start(SimulatedAgent(rows, **limits), address)
    async with running_poller(agents.port, folder) as poller:
        read = await poller.read(address)
    assert isinstance(read, MeterRead)
    return without_address_and_time(read)


def without_address_and_time(read: MeterRead) -> dict[str, Any]:
    told = dict(said(read))
    told["status"] = {**told["status"], "uptime_s": None}
    return told


# net-snmp's snmpd


PRINTER_ROWS = {
    oid: row
    for oid, row in below(COLOUR, SYSTEM, PRINTER_MIB, KYOCERA).items()
    if oid == SYS_UP_TIME or row[0] in _SNMPD_TYPES
}


def overriding(rows: Rows) -> list[str]:
    """Lines of snmpd.conf by which it has these rows, and the community sees nothing else."""
    lines = [f"view printer included .{subtree}" for subtree in (SYSTEM, PRINTER_MIB, KYOCERA)]
    lines.append(f"rocommunity {COMMUNITY} default -V printer")
    for oid, (kind, value) in rows.items():
        if kind in _SNMPD_TYPES:
            text = f'"{value.decode()}"' if isinstance(value, bytes) else value
            lines.append(f"override .{oid} {_SNMPD_TYPES[kind]} {text}")
    return lines


@pytest.fixture(scope="module")
def printing_snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with running(Snmpd(tmp_path_factory.mktemp("snmpd"), *overriding(PRINTER_ROWS))) as agent:
        yield agent


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpds_rows_are_those_that_it_was_given(
    printing_snmpd: Snmpd, version: Version
) -> None:
    credential = Credential(version=version, community=SecretStr(COMMUNITY))
    port = printing_snmpd.port
    async with client(port) as asking:
        found = await flat(asking.session("127.0.0.1", port, credential), PRINTER_ROWS)

    assert {**found, SYS_UP_TIME: PRINTER_ROWS[SYS_UP_TIME]} == PRINTER_ROWS
    assert found[SYS_UP_TIME][0] == "TimeTicks"


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpd_is_read_as_our_own_simulator_is(
    printing_snmpd: Snmpd, agents: Agents, tmp_path: Path, version: Version
) -> None:
    name = known_as(tmp_path, COMMUNITY, version)
    async with running_poller(printing_snmpd.port, tmp_path) as poller:
        first, second = [await poller.read("127.0.0.1", name) for _ in range(2)]

    ours = await read_by_us(agents, tmp_path, PRINTER_ROWS)
    assert isinstance(first, MeterRead)
    assert isinstance(second, MeterRead)
    assert without_address_and_time(first) == without_address_and_time(second) == ours
    assert len(ours["meters"]) == 12
    assert len(ours["supplies"]) == 5


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize(
    "limit", ["maxGetbulkRepeats 1", "maxGetbulkResponses 7", "[snmp] sendMessageMaxSize 484"]
)
async def test_an_snmpd_that_answers_short_is_read_whole(
    agents: Agents, tmp_path: Path, limit: str
) -> None:
    name = known_as(tmp_path, COMMUNITY)
    (tmp_path / "snmpd").mkdir()
    with running(Snmpd(tmp_path / "snmpd", *overriding(PRINTER_ROWS), limit)) as agent:
        async with running_poller(agent.port, tmp_path, timeout_s=0.5) as poller:
            first, second = [await poller.read("127.0.0.1", name) for _ in range(2)]

    ours = await read_by_us(agents, tmp_path, PRINTER_ROWS)
    assert isinstance(first, MeterRead)
    assert isinstance(second, MeterRead)
    assert without_address_and_time(first) == without_address_and_time(second) == ours


# snmpsim


@pytest.fixture(scope="module")
def snmpsim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    recordings = [*sorted(WALKS.glob("*.snmprec")), *some_recordings()]
    with snmpsim_peer.snmpsim(tmp_path_factory.mktemp("snmpsim"), recordings) as port:
        yield port


def some_recordings() -> list[Path]:
    """Of those that are kept outside the tree, small ones."""
    small = [path for path in RECORDINGS.glob("*.snmprec") if path.stat().st_size < 30_000]
    return sorted(small)[::25]


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpsims_rows_are_those_of_its_recordings(snmpsim: int, version: Version) -> None:
    async with client(snmpsim) as asking:
        for path in [*sorted(WALKS.glob("*.snmprec"))[::4], *some_recordings()]:
            rows = read_snmprec(path)
            credential = Credential(version=version, community=SecretStr(path.stem))
            session = asking.session("127.0.0.1", snmpsim, credential, deadline_s=30)
            expected = {
                oid: row
                for oid, row in rows.items()
                if row[0] != "Null" and (version == "2c" or row[0] != "Counter64")
            }
            assert await flat(session, rows) == expected, path.stem


async def test_snmpsim_is_read_as_our_own_simulator_is(
    snmpsim: int, agents: Agents, tmp_path: Path
) -> None:
    names = {device: known_as(tmp_path, device) for device in DEVICES}
    addresses = {name: str(ip_address("127.64.0.1") + n) for n, name in enumerate(DEVICES)}
    for device, address in addresses.items():
        await agents.start(SimulatedAgent(walk(device)), address)
    async with (
        running_poller(snmpsim, tmp_path) as theirs,
        running_poller(agents.port, tmp_path) as ours,
    ):
        for device, address in addresses.items():
            peers = await theirs.read("127.0.0.1", names[device])
            assert said(peers) == said(await ours.read(address)), device


# An agent that takes or gives little


@pytest.mark.parametrize(
    ("limits", "version"),
    [
        ({"max_message": 484}, "2c"),
        ({"max_message": 484, "v1_only": True}, "1"),
        ({"max_varbinds": 10}, "2c"),
        ({"max_varbinds": 10, "v1_only": True}, "1"),
        ({"misbehave": "bulk_fewer"}, "2c"),
        ({"misbehave": "first_only"}, "2c"),
    ],
    ids=str,
)
async def test_a_capped_agent_is_read_whole(
    agents: Agents, tmp_path: Path, limits: dict[str, Any], version: Version
) -> None:
    """Field by field as without the cap, and a second time, with what was learned in the first."""
    name = known_as(tmp_path, "public", version)
    free = {device: str(ip_address("127.64.0.1") + n) for n, device in enumerate(DEVICES)}
    capped = {device: str(ip_address("127.64.1.1") + n) for n, device in enumerate(DEVICES)}
    for device in DEVICES:
        await agents.start(SimulatedAgent(walk(device)), free[device])
        await agents.start(SimulatedAgent(walk(device), **limits), capped[device])
    async with running_poller(agents.port, tmp_path) as poller:
        for device in DEVICES:
            whole = await poller.read(free[device])
            assert isinstance(whole, MeterRead)
            wanted = said(whole)
            if version == "1":  # such an agent is not asked for its panel
                wanted = {**wanted, "status": {**wanted["status"], "console": []}}
            for _ in range(2):
                assert said(await poller.read(capped[device], name)) == wanted, device


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("limits", [{"max_message": 484}, {"max_varbinds": 10}], ids=str)
async def test_no_row_of_a_capped_agent_is_lost(
    agents: Agents, version: Version, limits: dict[str, Any]
) -> None:
    address = await agents.start(SimulatedAgent(COLOUR, **limits))
    async with client(agents.port) as asking:
        credential = Credential(version=version, community=SecretStr("public"))
        gets, walks = (asking.session(address, agents.port, credential) for _ in range(2))
        found = await gets.get(list(COLOUR))
        table = await walks.table(columns(COLOUR))

    assert {oid: (one.type, one.value) for oid, one in found.items()} == COLOUR
    cells = {one.oid: (one.type, one.value) for column in table.values() for one in column.values()}
    assert cells == below(COLOUR, PRINTER_MIB)
