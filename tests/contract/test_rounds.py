"""Rounds as the hub sees them: closed, or told with what they lack, by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from services.ingest.typed import rebuild
from shared.messages import Order, RoundFinished, order_id
from shared.store.overview import missing_names
from shared.store.postgres import Store
from shared.store.rounds import (
    OVERDUE_AFTER,
    RoundCourse,
    open_names,
    round_at_hub,
    round_courses,
)
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import (
    NOON,
    line,
    meter_read,
    raw_line,
    read_failed,
    round_finished,
    target,
)

LATER = NOON + OVERDUE_AFTER + timedelta(minutes=1)


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


def part(round_id: UUID, number: int, parts: int, devices: Sequence[int]) -> RoundFinished:
    orders = [Order(order=order_id(round_id, target(it)), target=target(it)) for it in devices]
    return round_finished(round_id, []).model_copy(
        update={"part": number, "parts": parts, "orders": orders}
    )


async def overdue(hub: Hub) -> list[RoundCourse]:
    async with hub.store.transaction() as connection:
        return await round_courses(connection, [hub.site.id], LATER, 10, overdue=True)


async def lacks(hub: Hub, course: RoundCourse) -> dict[str, str]:
    async with hub.store.transaction() as connection:
        return dict(await open_names(connection, course, 100))


async def is_closed(hub: Hub, round_id: UUID) -> bool:
    known = await round_at_hub(hub.store, round_id)
    return known is not None and known.closed


async def test_a_round_is_closed_when_all_its_parts_and_outcomes_are_there_in_any_order(
    hub: Hub,
) -> None:
    """One part names nobody, and leaves no name behind by which it could be counted."""
    for order in permutations(range(4)):
        round_id = uuid4()
        messages = [
            part(round_id, 1, 2, [1, 2]),
            part(round_id, 2, 2, []),
            meter_read(1, round_id),
            read_failed(2, round_id),
        ]
        for count, which in enumerate(order, 1):
            await hub.post([line(1, messages[which])], spool=uuid4())
            assert await is_closed(hub, round_id) == (count == 4), order

    assert await overdue(hub) == []
    before = await hub.rows("select * from round_course order by id")
    await rebuild(hub.store, hub.site)
    assert await hub.rows("select * from round_course order by id") == before


async def test_a_read_beside_the_failure_of_its_order_closes_no_other(hub: Hub) -> None:
    round_id = uuid4()

    await hub.send(part(round_id, 1, 1, [1, 2]), read_failed(1, round_id), meter_read(1, round_id))

    [course] = await overdue(hub)
    assert await lacks(hub, course) == {target(2).key: "no outcome came"}
    assert course.state(LATER) == "overdue: orders without an outcome"


async def test_a_round_of_which_a_part_is_missing_is_told_with_it(hub: Hub) -> None:
    round_id = uuid4()

    await hub.send(part(round_id, 1, 2, [1]), meter_read(1, round_id))

    assert not await is_closed(hub, round_id)
    [course] = await overdue(hub)
    assert course.state(LATER) == "overdue: 1 of the 2 parts of its end are missing"
    assert course.state(NOON) == "open: 1 of the 2 parts of its end are missing"


async def test_a_round_that_began_and_never_ended_is_told_with_who_was_there_before(
    hub: Hub,
) -> None:
    before, now = uuid4(), uuid4()
    await hub.send(
        part(before, 1, 1, [1, 2, 3]).model_copy(update={"started_at": NOON - timedelta(hours=6)}),
        *(meter_read(n, before) for n in (1, 2, 3)),
    )

    await hub.post([line(9, meter_read(1, now)), line(10, read_failed(3, now))])

    [course] = await overdue(hub)
    assert (course.id, course.kind, course.read, course.failed) == (now, None, 1, 1)
    assert course.state(LATER) == "overdue: began, and its end was not told"
    assert list(await lacks(hub, course)) == [target(2).key]


async def test_a_round_whose_clock_was_set_back_meanwhile_began_before_its_end(hub: Hub) -> None:
    done = part(uuid4(), 1, 1, [1]).model_copy(update={"started_at": NOON + timedelta(days=2)})

    await hub.send(done)

    assert await hub.rows("select first_at from round_course") == [{"first_at": NOON}]


async def test_an_order_whose_read_was_set_aside_says_why_it_is_open(hub: Hub) -> None:
    round_id = uuid4()
    read = meter_read(1, round_id)
    bad = read.to_json().replace(b'"total":1001', b'"total":-1')

    await hub.post([line(1, part(round_id, 1, 1, [1])), raw_line(2, read.routing_key, bad)])

    [course] = await overdue(hub)
    why = (await lacks(hub, course))[target(1).key]
    assert why.startswith("set aside at the hub (no. 1): ")
    async with hub.store.transaction() as connection:
        row = {"site_id": hub.site.id, "id": round_id}
        shown = (await missing_names(connection, row, 10))["open"].rows
    assert [(one["target"], one["note"]) for one in shown] == [(target(1).key, why)]
