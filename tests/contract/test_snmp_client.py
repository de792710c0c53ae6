"""The SNMP client on the wire: against simulated agents, good and bad, and net-snmp's snmpd."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from services.solo.misbehaviour import Misbehaviour
from services.solo.simulator import Rows, SimulatedAgent
from services.solo.snmprec import serve_recordings
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import PUBLIC, Credential
from shared.snmp.client import SnmpClient, WireSession
from shared.snmp.port import (
    AnotherDeviceError,
    ErrorStatusError,
    MalformedAnswerError,
    Manners,
    NoAnswerError,
    RowsChangedError,
    SnmpError,
    Value,
    Varbind,
    Walk,
)
from shared.snmp.wire import V2C
from shared.snmprec import read_snmprec
from tests.peers.agent import Agents

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
SNMPD = Path("/usr/sbin/snmpd")

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_UPTIME = "1.3.6.1.2.1.1.3.0"
LIFE_COUNT = "1.3.6.1.2.1.43.10.2.1.4.1.1"
NOT_THERE = "1.3.6.1.2.1.43.5.1.1.17.1"
SUPPLY = "1.3.6.1.2.1.43.11.1.1"
COLUMNS = [f"{SUPPLY}.{column}" for column in range(2, 10)]
SCALARS: dict[str, tuple[str, Value]] = {
    SYS_DESCR: ("OctetString", b"A printer"),
    "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
    SYS_UPTIME: ("TimeTicks", 4_294_967_295),
    LIFE_COUNT: ("Counter32", 4_294_967_295),
    "1.3.6.1.2.1.43.10.2.1.5.1.1": ("Counter64", 2**64 - 1),
    "1.3.6.1.4.1.1347.1.0": ("Integer32", -3),
    "1.3.6.1.4.1.1347.2.0": ("IpAddress", "10.0.0.7"),
    "1.3.6.1.4.1.1347.3.0": ("Opaque", b"\x9f\x78\x04"),
    **{f"1.3.6.1.4.1.1347.9.{row}.0": ("Gauge32", row) for row in range(30)},
}
SUPPLIES: dict[str, tuple[str, Value]] = {
    f"{column}.1.{row}": ("OctetString", f"toner {row} of {column}".encode())
    for column in COLUMNS
    for row in range(1, 11)
    if (row, column[-1]) not in {(3, "4"), (9, "2"), (10, "9"), (1, "7")}  # a table with holes
}
ROWS: Rows = {**SCALARS, **SUPPLIES}


class LosesOne(SimulatedAgent):
    """Loses the request with this number."""

    def __init__(self, rows: Rows, *, number: int) -> None:
        super().__init__(rows)
        self._number = number

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        self.silent = self.requests + 1 == self._number
        return super().answer(datagram, source)


@asynccontextmanager
async def session_with(
    agents: Agents,
    agent: SimulatedAgent,
    *,
    version: Literal["1", "2c"] = "2c",
    timeout_s: float = 0.25,
    deadline_s: float = 10.0,
) -> AsyncIterator[WireSession]:
    address = await agents.start(agent)
    async with SnmpClient(agents.ceiling, timeout_s=timeout_s) as client:
        credential = Credential(version=version, community=SecretStr("public"))
        yield client.session(address, agents.port, credential, deadline_s=deadline_s)


def as_rows(found: Mapping[str, Varbind]) -> dict[str, tuple[str, Value]]:
    return {oid: (varbind.type, varbind.value) for oid, varbind in found.items()}


def table_rows(table: Mapping[str, Mapping[str, Varbind]]) -> dict[str, tuple[str, Value]]:
    return {
        f"{column}.{instance}": (varbind.type, varbind.value)
        for column, rows in table.items()
        for instance, varbind in rows.items()
    }


async def test_every_type_of_value_is_read(agents: Agents) -> None:
    async with session_with(agents, SimulatedAgent(ROWS)) as session:
        assert as_rows(await session.get(list(SCALARS))) == SCALARS


async def test_of_a_text_without_end_no_more_is_kept_than_anybody_reads(agents: Agents) -> None:
    name = "1.3.6.1.2.1.1.5.0"
    texts: Rows = {SYS_DESCR: ("OctetString", bytes(20_000)), name: ("OctetString", b"short")}
    async with session_with(agents, SimulatedAgent(texts)) as session:
        found = await session.get([SYS_DESCR, name])

    assert found[SYS_DESCR].value == bytes(2048)
    assert found[name].value == b"short"


async def test_what_the_device_lacks_is_absent(agents: Agents) -> None:
    async with session_with(agents, SimulatedAgent({**ROWS, "1.3.9": ("Null", None)})) as session:
        found = await session.get([NOT_THERE, SYS_DESCR, "1.3.6.1.2.1.1.1.7", "1.3.9"])

    assert list(found) == [SYS_DESCR]


async def test_a_get_of_forty_goes_out_in_twenties(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS)
    async with session_with(agents, agent) as session:
        assert len(await session.get(list(SCALARS))) == 38
        assert session.traffic.packets_out == session.traffic.packets_in == agent.requests == 2
        received = sum(octets for _, octets in agent.received)
        assert session.traffic.bytes_out == received + 2 * 28


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:1], [*COLUMNS, "1.3.6.1.2.1.43.18.1.1.2"]])
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_table_with_holes_keeps_each_row_at_its_instance(
    agents: Agents, version: Literal["1", "2c"], columns: list[str]
) -> None:
    async with session_with(agents, SimulatedAgent(ROWS), version=version) as session:
        table = await session.table(columns)

    assert list(table) == columns
    assert table_rows(table) == {
        oid: row for oid, row in SUPPLIES.items() if oid.startswith(tuple(columns))
    }
    assert all(list(rows) == sorted(rows, key=len) for rows in table.values())


async def test_more_columns_than_fit_into_a_question_are_all_walked(agents: Agents) -> None:
    rows: Rows = {f"1.3.6.1.9.{column}.{row}": ("Integer32", row)
                  for column in range(1, 26) for row in range(1, 4)}  # fmt: skip
    async with session_with(agents, SimulatedAgent(rows)) as session:
        table = await session.table([f"1.3.6.1.9.{column}" for column in range(1, 26)])

    assert table_rows(table) == rows


async def test_no_answer_that_is_asked_for_is_over_1400_octets(agents: Agents) -> None:
    rows: Rows = {f"{SUPPLY}.{column}.1.{row}": ("OctetString", b"x" * 12 * column)
                  for column in (6, 7, 8) for row in range(100)}  # fmt: skip
    async with session_with(agents, SimulatedAgent(rows)) as session:
        await session.get([SYS_DESCR])
        before = session.traffic.packets_in, session.traffic.bytes_in
        await session.table([f"{SUPPLY}.8"], max_rows=13)  # the first answer is a guess
        assert table_rows(await session.table([f"{SUPPLY}.{n}" for n in (6, 7, 8)])) == rows
        answers = session.traffic.packets_in - before[0]

    assert (session.traffic.bytes_in - before[1]) / answers < 1400


async def test_a_table_stops_at_max_rows(agents: Agents) -> None:
    async with session_with(agents, SimulatedAgent(ROWS)) as session:
        table = await session.table(COLUMNS, max_rows=4)

    assert {len(rows) for rows in table.values()} == {4}


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("limit", [{"max_message": 484}, {"max_varbinds": 7}, {"max_varbinds": 1}])
async def test_an_agent_with_small_messages_loses_no_row(
    agents: Agents, version: Literal["1", "2c"], limit: dict[str, int]
) -> None:
    agent = SimulatedAgent(ROWS, **limit)  # type: ignore[arg-type]
    async with session_with(agents, agent, version=version) as session:
        found = await session.get(list(SCALARS))
        table = await session.table(COLUMNS)

    expected = {
        oid: row for oid, row in SCALARS.items() if version == "2c" or row[0] != "Counter64"
    }
    assert as_rows(found) == expected
    assert table_rows(table) == SUPPLIES


async def test_v1_drops_the_culprits_and_gets_the_rest(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS)
    async with session_with(agents, agent, version="1") as session:
        found = await session.get([NOT_THERE, SYS_DESCR, "1.3.6.1.2.1.1.9.0", LIFE_COUNT])

    assert list(found) == [SYS_DESCR, LIFE_COUNT]
    assert agent.requests == 3


async def test_a_device_that_knows_only_v1_is_read_and_remembered_for_the_session(
    agents: Agents,
) -> None:
    agent = SimulatedAgent(ROWS, v1_only=True)
    async with session_with(agents, agent) as session:
        assert table_rows(await session.table(COLUMNS[:2])) == {
            oid: row for oid, row in SUPPLIES.items() if oid.startswith(tuple(COLUMNS[:2]))
        }
        requests = agent.requests
        assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]

    assert agent.requests == requests + 1


async def test_a_v2c_device_whose_first_datagram_was_lost_is_still_read_in_v2c(
    agents: Agents,
) -> None:
    """v1 has no Counter64, so a lost datagram would turn a meter into one not reported."""
    agent = SimulatedAgent(ROWS, silent=True)
    async with session_with(agents, agent) as session:
        asking = asyncio.create_task(session.get(["1.3.6.1.2.1.43.10.2.1.5.1.1"]))
        await asyncio.sleep(0.1)
        agent.silent = False
        found = await asking

    assert [varbind.value for varbind in found.values()] == [2**64 - 1]


async def test_silence_says_address_tries_and_seconds_and_no_community(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS, community=b"another")
    async with session_with(agents, agent, timeout_s=0.1) as session:
        with pytest.raises(NoAnswerError) as caught:
            await session.get([SYS_DESCR])

    assert f"port {agents.port}: no SNMP answer in 3 tries of 0.1 s" in str(caught.value)
    assert "public" not in str(caught.value)
    assert agent.requests == 3


async def test_an_answer_that_comes_after_the_next_try_still_counts(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS, delay_s=0.4)
    async with session_with(agents, agent, timeout_s=0.25) as session:
        assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]


async def test_lost_datagrams_are_sent_again(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS, loss=0.2)
    address = await agents.start(agent)
    async with SnmpClient(agents.ceiling, timeout_s=0.05, tries=12) as client:
        session = client.session(address, agents.port, PUBLIC)
        for _ in range(10):
            assert as_rows(await session.get(list(SCALARS))) == SCALARS
        assert table_rows(await session.table(COLUMNS)) == SUPPLIES

    assert session.traffic.packets_out > session.traffic.packets_in


async def test_an_agent_that_answers_fewer_varbinds_than_asked_is_asked_for_the_rest(
    agents: Agents,
) -> None:
    async with session_with(agents, SimulatedAgent(ROWS, misbehave="first_only")) as session:
        assert as_rows(await session.get(list(SCALARS))) == SCALARS


FAULTS: list[tuple[Misbehaviour, type[SnmpError], str]] = [
    ("cut", MalformedAnswerError, "octets that are no answer"),
    ("lying_length", MalformedAnswerError, "octets that are no answer"),
    ("wrong_id", NoAnswerError, "an answer to no open request came"),
    ("wrong_source", NoAnswerError, "an answer came from 127"),
    ("other_oids", MalformedAnswerError, f"asked for {SYS_DESCR}, answered with {SYS_DESCR}.9"),
    ("nothing", MalformedAnswerError, "answered with nothing"),
    ("gen_err", ErrorStatusError, f"genErr: .*; asked for {SYS_DESCR}"),
]


@pytest.mark.parametrize(("misbehave", "error", "words"), FAULTS)
async def test_a_get_that_cannot_be_answered_says_why(
    agents: Agents, misbehave: Misbehaviour, error: type[SnmpError], words: str
) -> None:
    agent = SimulatedAgent(ROWS, misbehave=misbehave)
    async with session_with(agents, agent, timeout_s=0.1) as session:
        with pytest.raises(error, match=words):
            await session.get(list(SCALARS))


@pytest.mark.parametrize(
    ("misbehave", "error", "words"),
    [
        *(fault for fault in FAULTS if fault[0] in {"cut", "lying_length", "wrong_id"}),
        ("wrong_source", NoAnswerError, "an answer came from 127"),
        ("nothing", MalformedAnswerError, f"what comes after {COLUMNS[0]}, answered with 0"),
        ("gen_err", ErrorStatusError, f"genErr: .*; asked for {COLUMNS[0]}"),
    ],
)
async def test_a_table_that_cannot_be_answered_says_why(
    agents: Agents, misbehave: Misbehaviour, error: type[SnmpError], words: str
) -> None:
    agent = SimulatedAgent(ROWS, misbehave=misbehave)
    async with session_with(agents, agent, timeout_s=0.1) as session:
        with pytest.raises(error, match=words):
            await session.table(COLUMNS)


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("misbehave", ["loop", "same_row"])
async def test_a_walk_that_does_not_advance_ends_and_names_the_oid(
    agents: Agents, misbehave: Misbehaviour, version: Literal["1", "2c"]
) -> None:
    agent = SimulatedAgent(ROWS, misbehave=misbehave)
    async with session_with(agents, agent, version=version) as session:
        with pytest.raises(MalformedAnswerError, match=rf"does not advance: {SUPPLY}.\d.1.\d+"):
            await session.table(COLUMNS)

    assert agent.requests < 100


async def test_a_walk_without_end_ends_at_max_rows(agents: Agents) -> None:
    async with session_with(agents, SimulatedAgent(ROWS, misbehave="endless")) as session:
        table = await session.table(COLUMNS, max_rows=50)

    assert {len(rows) for rows in table.values()} == {50}


async def test_a_device_that_pours_out_octets_is_broken_off(agents: Agents) -> None:
    rows: Rows = {f"1.3.6.1.9.1.{row}": ("OctetString", b"x" * 60_000) for row in range(60)}
    async with session_with(agents, SimulatedAgent(rows), timeout_s=1.0) as session:
        with pytest.raises(MalformedAnswerError, match=r"broken off after 2[0-9]* octets"):
            await session.table(["1.3.6.1.9.1"])


@pytest.mark.parametrize("misbehave", ["no_bulk", "empty_bulk", "bulk_gen_err", "first_only"])
async def test_where_getbulk_fails_getnext_reads_the_table(
    agents: Agents, misbehave: Misbehaviour
) -> None:
    async with session_with(agents, SimulatedAgent(ROWS, misbehave=misbehave)) as session:
        await session.get([SYS_DESCR])
        assert table_rows(await session.table(COLUMNS)) == SUPPLIES


async def test_one_lost_getbulk_is_sent_again_as_getbulk(agents: Agents) -> None:
    agent = LosesOne(ROWS, number=3)
    async with session_with(agents, agent) as session:
        await session.get([SYS_DESCR])
        assert table_rows(await session.table(COLUMNS)) == SUPPLIES

    assert agent.requests < 8


async def test_an_error_index_out_of_range_drops_nothing_that_is_there(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS, misbehave="error_index")
    async with session_with(agents, agent) as session:
        assert await session.get([SYS_DESCR, LIFE_COUNT, SYS_UPTIME]) == {}

    assert agent.requests < 10


async def test_doubled_and_late_answers_are_counted_and_dropped(agents: Agents) -> None:
    address = await agents.start(SimulatedAgent(ROWS, misbehave="twice"))
    async with SnmpClient(agents.ceiling, timeout_s=0.25) as client:
        session = client.session(address, agents.port, PUBLIC)
        for _ in range(3):
            assert len(await session.get([SYS_DESCR, LIFE_COUNT])) == 2
        await asyncio.sleep(0.05)

        assert client.strays.late == 3
        assert session.traffic.packets_in == 3
        assert client.traffic.packets_in == 6


async def test_a_slow_device_costs_no_more_than_the_deadline(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS, delay_s=0.2)
    async with session_with(agents, agent, timeout_s=0.5, deadline_s=1.0) as session:
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match=r"too slow: 1\.0 s were over after \d answers"):
            while True:
                await session.get([SYS_DESCR])

    assert time.monotonic() - began < 1.3


async def test_what_is_known_of_a_device_never_widens_a_credential_for_v1(agents: Agents) -> None:
    """The credential of that name was one for v2c when the device was read before."""
    agent = SimulatedAgent(ROWS, v1_only=True)
    async with session_with(agents, agent, version="1") as session:
        session.manners = Manners(V2C, takes_bulk=True, max_varbinds=40)
        assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]
        assert table_rows(await session.table(COLUMNS)) == SUPPLIES
        assert session.traffic.packets_out == session.traffic.packets_in


KNOWN = {f"1.3.6.1.9.{column}.1.{row}": ("Integer32", 10 * column + row)
         for column in (1, 2) for row in (2, 4)}  # fmt: skip
CHANGING = {f"1.3.6.1.9.9.1.{row}": ("Integer32", row) for row in (1, 3)}


def known_walks() -> list[Walk]:
    return [
        Walk(("1.3.6.1.9.1", "1.3.6.1.9.2"), instances=("1.2", "1.4")),
        Walk(("1.3.6.1.9.9",), instances=("1.1", "1.3"), may_change=True),
    ]


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_tables_with_the_rows_that_they_had_are_one_answer(
    agents: Agents, version: Literal["1", "2c"]
) -> None:
    rows: Rows = {**ROWS, **KNOWN, **CHANGING, "1.3.7.1": ("Null", None)}
    async with session_with(agents, SimulatedAgent(rows), version=version) as session:
        await session.get([SYS_DESCR])
        assert table_rows(await session.walk(known_walks())) == {**KNOWN, **CHANGING}
        assert session.traffic.packets_out == 2


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("at", ["1.1", "1.3", "1.5", "2.1.0"])
async def test_a_row_more_in_a_table_that_must_be_as_it_was_is_told(
    agents: Agents, version: Literal["1", "2c"], at: str
) -> None:
    rows: Rows = {**ROWS, **KNOWN, **CHANGING, f"1.3.6.1.9.1.{at}": ("Integer32", 1)}
    async with session_with(agents, SimulatedAgent(rows), version=version) as session:
        await session.get([SYS_DESCR])
        with pytest.raises(RowsChangedError, match=r"came where another row was before"):
            await session.walk(known_walks())


@pytest.mark.parametrize("gone", list(KNOWN))
async def test_a_row_less_in_a_table_that_must_be_as_it_was_is_told(
    agents: Agents, gone: str
) -> None:
    rows: Rows = {**ROWS, **{oid: row for oid, row in KNOWN.items() if oid != gone}, **CHANGING}
    async with session_with(agents, SimulatedAgent(rows)) as session:
        await session.get([SYS_DESCR])
        with pytest.raises(RowsChangedError):
            await session.walk(known_walks())


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("now", [(), (1,), (3,), (1, 2, 3), (0, 1, 3, 7), (2,)])
async def test_a_table_that_may_change_is_walked_as_it_is_now(
    agents: Agents, version: Literal["1", "2c"], now: tuple[int, ...]
) -> None:
    changed = {f"1.3.6.1.9.9.1.{row}": ("Integer32", row) for row in now}
    rows: Rows = {**ROWS, **KNOWN, **changed, "1.3.7.1": ("Integer32", 1)}
    async with session_with(agents, SimulatedAgent(rows), version=version) as session:
        await session.get([SYS_DESCR])
        assert table_rows(await session.walk(known_walks())) == {**KNOWN, **changed}


@pytest.mark.parametrize(("back", "is_taken"), [(50, True), (50_000, False)])
async def test_an_uptime_that_falls_is_a_restart_unless_it_is_a_clocks_jitter(
    agents: Agents, back: int, is_taken: bool
) -> None:
    ticks = iter([100_000, 100_000 - back])
    rows: Rows = {**ROWS, SYS_UPTIME: ("TimeTicks", lambda: next(ticks))}
    async with session_with(agents, SimulatedAgent(rows)) as session:
        session.expect(())
        await session.get([SYS_DESCR])
        if is_taken:
            assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]
        else:
            with pytest.raises(AnotherDeviceError, match=r"went on by -500 s"):
                await session.get([SYS_DESCR])


async def test_where_it_is_allowed_an_answer_from_another_port_counts_by_its_id(
    agents: Agents,
) -> None:
    address = await agents.start(SimulatedAgent(ROWS, misbehave="wrong_source"))
    async with SnmpClient(agents.ceiling, timeout_s=0.25) as client:
        session = client.session(address, agents.port, PUBLIC, from_anywhere=True)

        assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]


async def test_an_answer_in_unusual_but_sound_octets_is_read(agents: Agents) -> None:
    """Lengths in more octets than they need: the strict decoder leaves them to pysnmp's."""

    class LongLengths(SimulatedAgent):
        def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
            usual = super().answer(datagram, source)
            assert usual is not None
            size = 4 if usual[1] == 0x82 else 3 if usual[1] == 0x81 else 2
            return b"\x30\x84" + (len(usual) - size).to_bytes(4, "big") + usual[size:]

    async with session_with(agents, LongLengths(ROWS)) as session:
        assert as_rows(await session.get(list(SCALARS))) == SCALARS
        assert table_rows(await session.table(COLUMNS)) == SUPPLIES


async def test_nothing_leaves_to_an_address_or_port_outside_the_ceiling(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS)
    address = await agents.start(agent)
    narrow = Ceiling(networks=(ip_network("127.0.0.1/32"),), ports=frozenset({agents.port}))
    elsewhere = Ceiling(networks=agents.ceiling.networks, ports=frozenset({161}))
    for ceiling in (narrow, elsewhere):
        async with SnmpClient(ceiling, timeout_s=0.1) as client:
            session = client.session(address, agents.port, PUBLIC)
            with pytest.raises(OutsideCeilingError):
                await session.get([SYS_DESCR])
            with pytest.raises(OutsideCeilingError):
                await session.table(COLUMNS)
            assert client.traffic.packets_out == 0

    assert agent.requests == 0


async def test_hundreds_of_devices_are_read_at_once_over_one_socket(agents: Agents) -> None:
    fleet = {
        await agents.start(SimulatedAgent({SYS_DESCR: ("OctetString", f"device {n}".encode())})): n
        for n in range(200)
    }
    async with SnmpClient(agents.ceiling, max_in_flight=50) as client:

        async def describe(address: str) -> Value:
            found = await client.session(address, agents.port, PUBLIC).get([SYS_DESCR])
            return found[SYS_DESCR].value

        described = await asyncio.gather(*map(describe, fleet))

    assert described == [f"device {number}".encode() for number in fleet.values()]


async def test_ipv6_is_asked_from_a_socket_of_its_own(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS)
    try:
        await agents.start(agent, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with SnmpClient(agents.ceiling) as client:
        session = client.session("0:0::1", agents.port, PUBLIC)
        assert list(await session.get([SYS_DESCR])) == [SYS_DESCR]

    [(_, octets)] = agent.received
    assert session.traffic.bytes_out == octets + 48


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are kept outside the tree")
async def test_every_recording_walks_from_end_to_end_as_it_was_recorded() -> None:
    port = 16_161
    ceiling = Ceiling(networks=(ip_network("127.31.0.0/16"),), ports=frozenset({port}))
    async with (
        serve_recordings(RECORDINGS, "127.31.0.1", port) as served,
        SnmpClient(ceiling) as client,
    ):
        assert len(served) >= 70
        for address, file in served.items():
            session = client.session(address, port, PUBLIC, deadline_s=60)
            walked = table_rows(await session.table(["1.0", "1.3"], max_rows=10_000))
            recorded = {o: row for o, row in read_snmprec(file).items() if row[0] != "Null"}
            assert walked == recorded, file.name
            assert list(walked) == list(recorded), file.name
