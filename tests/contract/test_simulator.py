"""The simulated agent, asked by a client that is not ours: pysnmp's."""

from __future__ import annotations

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

from services.solo.simulator import Rows, SimulatedAgent, simulate
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


async def test_agents_answer_on_loopback_addresses_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with simulate({("0.0.0.0", 0): SimulatedAgent({})}):
            pass
