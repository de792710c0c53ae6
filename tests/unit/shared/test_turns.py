"""Long work goes piece by piece, one at a time, and short work in between."""

from __future__ import annotations

import asyncio

import pytest

from shared.turns import in_turns


async def test_works_of_several_pieces_go_one_after_the_other_and_short_ones_between() -> None:
    done: list[tuple[str, list[int]]] = []

    async def long(name: str) -> None:
        await in_turns(lambda some: done.append((name, list(some))), range(5), 2)

    async def short() -> None:
        for _ in range(2):
            await asyncio.sleep(0)
            await in_turns(lambda some: done.append(("short", list(some))), [9], 2)

    await asyncio.gather(long("a"), long("b"), short())

    longs = [each for each in done if each[0] != "short"]
    assert longs == [(name, part) for name in "ab" for part in ([0, 1], [2, 3], [4])]
    assert ("short", [9]) in done[1:4]


async def test_a_work_that_fails_keeps_none_waiting() -> None:
    async def fail() -> None:
        await in_turns(lambda some: 1 // some[0], [1, 0, 1], 1)

    done: list[int] = []
    failed, _ = await asyncio.gather(
        fail(), in_turns(done.extend, [1, 2, 3], 1), return_exceptions=True
    )

    assert isinstance(failed, ZeroDivisionError)
    assert done == [1, 2, 3]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_work_that_is_cancelled_keeps_none_waiting(cancelled: int) -> None:
    done: list[int] = []
    works = [asyncio.create_task(in_turns(done.extend, [n] * 3, 1)) for n in range(3)]
    await asyncio.sleep(0)
    works[cancelled].cancel()

    await asyncio.wait(works)

    assert done[-3:] == [2, 2, 2]
    assert not any(it.exception() for it in works if not it.cancelled())
