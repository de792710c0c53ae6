"""The simulated agent, asked by a client that is not ours: pysnmp's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    bulk_walk_cmd,
    get_cmd,
    walk_cmd,
)

from services.solo.changes import board_swapped, resupplied
from services.solo.misbehaviour import Misbehaviour
from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.snmp.wire import (
    GET,
    GETBULK,
    GETNEXT,
    SnmpMessage,
    WireError,
    decode,
    encode_request,
)
from tests.peers.agent import Agents

PLAIN: Rows = {
    "1.3.6.1.2.1.1.1.0": ("OctetString", b"A printer"),
    "1.3.6.1.2.1.1.3.0": ("TimeTicks", 7),
    **{
        f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}": ("Integer32", row - 4)
        for column in (2, 9, 10)
        for row in (1, 2, 9, 10, 11)
    },
}
COUNTER64 = "1.3.6.1.2.1.43.10.2.1.4.1.1"
ROWS: Rows = {**PLAIN, COUNTER64: ("Counter64", 2**64 - 1)}
V1, V2C = 0, 1


async def question(agents: Agents, agent: SimulatedAgent, version: int) -> list[Any]:
    target = await UdpTransportTarget.create((await agents.start(agent), agents.port), timeout=5)
    return [SnmpEngine(), CommunityData("public", mpModel=version), target, ContextData()]


def named(*oids: str) -> list[Any]:
    return [ObjectType(ObjectIdentity(oid)) for oid in oids]


@pytest.mark.parametrize(("version", "expected"), [(V1, PLAIN), (V2C, ROWS)])
async def test_a_getnext_walk_meets_each_row_once_and_in_order(
    agents: Agents, version: int, expected: Rows
) -> None:
    asked = await question(agents, SimulatedAgent(ROWS), version)
    walked = []
    async for indication, status, _, varbinds in walk_cmd(*asked, *named("1.3.6"), lookupMib=False):
        assert (indication, int(status)) == (None, 0)
        walked += [str(oid) for oid, _ in varbinds]

    assert walked == sorted(expected, key=lambda oid: [int(number) for number in oid.split(".")])


@pytest.mark.parametrize("limit", [{}, {"max_message": 200}, {"max_varbinds": 3}])
async def test_a_getbulk_walk_meets_each_row_once(agents: Agents, limit: dict[str, int]) -> None:
    agent = SimulatedAgent(ROWS, **limit)  # type: ignore[arg-type]
    asked = await question(agents, agent, V2C)
    walked = []
    async for indication, status, _, varbinds in bulk_walk_cmd(
        *asked, 0, 10, *named("1.3.6"), lookupMib=False
    ):
        assert (indication, int(status)) == (None, 0)
        walked += [str(oid) for oid, _ in varbinds]

    assert sorted(walked) == sorted(ROWS)


async def test_what_is_not_there_is_told_as_each_version_tells_it(agents: Agents) -> None:
    agent = SimulatedAgent(ROWS)
    missing = named("1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.1.7", "1.3.6.1.9.1.0")
    asked = await question(agents, agent, V2C)
    _, status, _, varbinds = await get_cmd(*asked, *missing, lookupMib=False)
    kinds = [type(value).__name__ for _, value in varbinds]
    assert (int(status), kinds) == (0, ["OctetString", "NoSuchInstance", "NoSuchObject"])

    asked = await question(agents, agent, V1)
    _, status, index, _ = await get_cmd(*asked, *missing, lookupMib=False)
    assert (int(status), int(index)) == (2, 2)


async def test_a_callable_gives_the_value_of_the_instant(agents: Agents) -> None:
    pages = iter([100, 101])
    agent = SimulatedAgent({COUNTER64: ("Counter32", lambda: next(pages))})
    asked = await question(agents, agent, V2C)

    read = [
        int((await get_cmd(*asked, *named(COUNTER64), lookupMib=False))[3][0][1]) for _ in range(2)
    ]

    assert read == [100, 101]


async def test_after_a_reboot_the_uptime_begins_anew_and_the_counters_go_on(agents: Agents) -> None:
    agent = SimulatedAgent({**ROWS, "1.3.6.1.2.1.1.3.0": ("TimeTicks", 10**9)})
    asked = await question(agents, agent, V2C)
    both = named("1.3.6.1.2.1.1.3.0", COUNTER64)
    before = [int(row[1]) for row in (await get_cmd(*asked, *both, lookupMib=False))[3]]

    agent.reboot()

    after = [int(row[1]) for row in (await get_cmd(*asked, *both, lookupMib=False))[3]]
    assert before == [10**9, 2**64 - 1]
    assert after[0] < 100 * 60
    assert after[1] == 2**64 - 1


def test_a_device_that_starts_is_silent_for_a_moment() -> None:
    agent = SimulatedAgent(ROWS)
    agent.reboot(silent_s=60)

    assert agent.answer(encode_request(1, b"public", GET, 1, [COUNTER64]), ("", 0)) is None


def test_a_new_board_counts_from_its_own_number() -> None:
    rows: Rows = {
        "1.3.6.1.2.1.43.5.1.1.17.1": ("OctetString", b"OLD"),
        "1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 48_213),
    }

    assert board_swapped(rows, life_count=7, serial=b"NEW") == {
        "1.3.6.1.2.1.43.5.1.1.17.1": ("OctetString", b"NEW"),
        "1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 7),
    }
    assert board_swapped(rows, life_count=7)["1.3.6.1.2.1.43.5.1.1.17.1"] == ("OctetString", b"OLD")


@pytest.mark.parametrize(("told", "config_changes"), [(True, 4), (False, 3)])
def test_supplies_are_taken_away_added_and_put_in_another_order(
    told: bool, config_changes: int
) -> None:
    supply = "1.3.6.1.2.1.43.11.1.1"
    rows: Rows = {
        "1.3.6.1.2.1.43.5.1.1.1.1": ("Counter32", 3),
        **{f"{supply}.9.1.{row}": ("Integer32", row) for row in (1, 2, 5)},
    }

    assert resupplied(rows, ["1.5", "1.1", "1.1"], told=told) == {
        "1.3.6.1.2.1.43.5.1.1.1.1": ("Counter32", config_changes),
        **{f"{supply}.9.1.{row}": ("Integer32", was) for row, was in ((1, 5), (2, 1), (3, 1))},
    }


SUPPLY = "1.3.6.1.2.1.43.11.1.1.9"
Wrong = Callable[[SnmpMessage], bool]
FAULTS: list[tuple[Misbehaviour, int, str, Wrong]] = [
    ("loop", GETNEXT, f"{SUPPLY}.1.11", lambda m: m.varbinds[0].oid == f"{SUPPLY}.1.1"),
    ("same_row", GETNEXT, f"{SUPPLY}.1.2", lambda m: m.varbinds[0].oid == f"{SUPPLY}.1.2"),
    ("backwards", GETNEXT, f"{SUPPLY}.1.9", lambda m: m.varbinds[0].oid == f"{SUPPLY}.1.2"),
    ("growing", GETNEXT, f"{SUPPLY}.1.99", lambda m: m.varbinds[0].oid == f"{SUPPLY}.1.100"),
    ("endless", GETNEXT, f"{SUPPLY}.1.1.9", lambda m: m.varbinds[0].oid == f"{SUPPLY}.1.1.10"),
    ("wrong_id", GET, COUNTER64, lambda m: m.request_id != 77),
    ("other_community", GET, COUNTER64, lambda m: m.community != b"public"),
    ("other_version", GET, COUNTER64, lambda m: m.version == V1),
    ("other_oids", GET, COUNTER64, lambda m: m.varbinds[0].oid != COUNTER64),
    ("more_varbinds", GET, COUNTER64, lambda m: len(m.varbinds) == 2),
    ("nothing", GET, COUNTER64, lambda m: m.varbinds == []),
    ("echo", GET, COUNTER64, lambda m: m.pdu == GET),
    ("gen_err", GET, COUNTER64, lambda m: m.error_status == 5),
    ("too_big", GET, COUNTER64, lambda m: m.error_status == 1),
    ("error_index", GET, COUNTER64, lambda m: m.error_index == 99),
    ("huge", GET, "1.3.6.1.2.1.1.1.0", lambda m: m.varbinds[0].value == b"A" * 60_000),
    ("flipping_types", GET, f"{SUPPLY}.1.9", lambda m: m.varbinds[0].type == "OctetString"),
    ("empty_bulk", GETBULK, SUPPLY, lambda m: m.varbinds == []),
    ("bulk_gen_err", GETBULK, SUPPLY, lambda m: m.error_status == 5),
    ("bulk_fewer", GETBULK, SUPPLY, lambda m: len(m.varbinds) == 1),
    ("bulk_more", GETBULK, SUPPLY, lambda m: len(m.varbinds) == 6),
]


@pytest.mark.parametrize(("misbehave", "pdu", "oid", "wrong"), FAULTS, ids=lambda it: str(it)[:20])
def test_a_device_misbehaves_as_it_was_told(
    misbehave: Misbehaviour, pdu: int, oid: str, wrong: Wrong
) -> None:
    repetitions = 3 if pdu == GETBULK else 0
    question = encode_request(V2C, b"public", pdu, 77, [oid], max_repetitions=repetitions)
    answer = SimulatedAgent(ROWS, misbehave=misbehave).answer(question, ("", 0))
    good = SimulatedAgent(ROWS).answer(question, ("", 0))

    assert answer is not None
    assert good is not None
    assert wrong(decode(answer))
    assert not wrong(decode(good))


@pytest.mark.parametrize("misbehave", ["cut", "cut_anywhere", "lying_length", "noise"])
def test_what_a_device_sends_may_be_no_message(misbehave: Misbehaviour) -> None:
    agent = SimulatedAgent(ROWS, misbehave=misbehave)
    lengths = set()
    for number in range(20):
        answer = agent.answer(encode_request(1, b"public", GET, number, [COUNTER64]), ("", 0))
        assert answer is not None
        lengths.add(len(answer))
        with pytest.raises(WireError):
            decode(answer)

    assert (len(lengths) > 10) == (misbehave == "cut_anywhere")


async def test_agents_answer_on_loopback_addresses_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with simulate({("0.0.0.0", 0): SimulatedAgent({})}):
            pass
