"""What the hub makes of a site's spools: lost, restored, run twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ingest.gaps import Gap, gaps
from services.ingest.spools import MAX_RANGES
from shared.store.postgres import Store
from shared.store.spools import spools
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import line, meter_read, raw_line


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


def began(
    before: UUID | None, why: str, carried: Sequence[tuple[int, int]] = ()
) -> dict[str, bytes]:
    told = {"before": str(before) if before else None, "why": why, "carried": carried}
    return {"began": json.dumps(told).encode()}


async def put(hub: Hub, numbers: Sequence[int], **envelope: Any) -> dict[str, Any]:
    """A batch of reads that the hub has not seen, each of another order."""
    answer = await hub.post([line(n, meter_read(n)) for n in numbers], **envelope)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def missing(hub: Hub) -> list[Gap]:
    return await gaps(hub.store, hub.site)


async def notes(hub: Hub) -> dict[UUID, str]:
    async with hub.store.transaction() as connection:
        return {it.id: "; ".join(it.notes) for it in await spools(connection, [hub.site.id])}


async def test_the_first_contact_of_a_first_spool_is_nothing_to_tell(hub: Hub) -> None:
    told = await put(hub, [], **began(None, "new"))

    assert (told["results"], told["last"], told["renumber"]) == ([], 0, False)
    assert await notes(hub) == {hub.spool: ""}


async def test_what_a_deleted_spool_held_at_its_end_is_a_gap(hub: Hub) -> None:
    await put(hub, [1, 2, 5], first_unsent=3, last=9)
    after = uuid4()

    await put(hub, [], spool=after, **began(hub.spool, "lost"))

    why = "its file was lost"
    assert await missing(hub) == [Gap(hub.spool, 3, 4, why), Gap(hub.spool, 6, 9, why)]
    told = await notes(hub)
    assert told[after] == f"follows {hub.spool}: its file was lost"
    assert "another is heard in its place since" in told[hub.spool]


async def test_what_waits_in_the_spool_that_follows_is_no_gap(hub: Hub) -> None:
    await put(hub, [1, 2, 5], first_unsent=3, last=9)

    await put(hub, [], spool=uuid4(), last=3, **began(hub.spool, "restored", [(3, 4), (6, 6)]))

    assert [gap[1:3] for gap in await missing(hub)] == [(7, 9)]


async def test_a_number_that_comes_late_closes_the_gap_of_a_spool_that_ended(hub: Hub) -> None:
    await put(hub, [1], first_unsent=2, last=2)
    await put(hub, [], spool=uuid4(), **began(hub.spool, "lost"))
    assert [gap[1:3] for gap in await missing(hub)] == [(2, 2)]

    await put(hub, [2], first_unsent=2, last=2)

    assert await missing(hub) == []


@pytest.mark.parametrize("said", [{}, began(None, "new")], ids=["nothing", "that it is the first"])
async def test_a_spool_that_says_nothing_of_the_one_before_is_told(
    hub: Hub, said: dict[str, bytes]
) -> None:
    await put(hub, [1], first_unsent=2, last=3)
    after = uuid4()

    await put(hub, [1], spool=after, **said)

    why = "another spool came without a word of it"
    assert await missing(hub) == [Gap(hub.spool, 2, 3, why)]
    assert (await notes(hub))[after] == f"follows {hub.spool}: {why}"


async def test_numbers_that_are_given_twice_overwrite_nothing_and_are_told(hub: Hub) -> None:
    await put(hub, [1, 2, 3], first_unsent=4, last=3)

    assert (await put(hub, [4, 5], first_unsent=4, last=5))["renumber"] is False
    assert (await put(hub, [2, 3, 4], first_unsent=2, last=4))["renumber"] is True
    # the uploader may not have had that answer
    assert (await put(hub, [], first_unsent=5, last=5))["renumber"] is True

    assert await hub.number("select count(*) from message") == 8
    assert "3 messages came under a number that another had" in (await notes(hub))[hub.spool]
    after = uuid4()
    assert (await put(hub, [1], spool=after, **began(hub.spool, "reused")))["renumber"] is False
    assert (await notes(hub))[after] == f"follows {hub.spool}: its numbers were given twice"


async def test_what_comes_again_under_its_number_is_no_number_given_twice(hub: Hub) -> None:
    lines = [line(1, meter_read(1)), raw_line(2, "no.such.type", b"{}"), raw_line(3, "x", b"x")]

    told = [(await hub.post(lines)).json() for _ in range(2)]

    assert [answer["renumber"] for answer in told] == [False, False]


async def test_two_uploaders_on_one_key_are_told(hub: Hub) -> None:
    other = uuid4()
    await put(hub, [1], last=1)
    await put(hub, [1], spool=other, last=1)
    await put(hub, [2], last=2)  # it may have been late
    assert "two uploaders" not in (await notes(hub))[hub.spool]

    await put(hub, [2], spool=other, last=2)
    await put(hub, [4], last=4)

    assert "two uploaders use this site's key at once" in (await notes(hub))[hub.spool]
    assert await missing(hub) == []  # neither is over


async def test_a_batch_that_is_late_tells_nothing_of_how_the_site_is_now(hub: Hub) -> None:
    late = [line(1, meter_read(1))]
    await put(hub, [2], first_unsent=1, last=9, status=b'{"waiting":1}')
    await put(hub, [3], first_unsent=4, last=9, status=b'{"waiting":2}')

    await hub.post(late, first_unsent=1, last=1, status=b'{"waiting":7}')

    [row] = await hub.rows("select first_unsent, last, status from spool")
    assert row == {"first_unsent": 4, "last": 9, "status": '{"waiting":2}'}


async def test_numbers_that_are_scattered_without_end_are_refused(hub: Hub) -> None:
    sent = 0
    for first in range(1, 2 * MAX_RANGES, 1000):
        sent += 500
        answer = await hub.post(
            [raw_line(n, "x", b"x") for n in range(first, first + 1000, 2)], last=10_000
        )
    assert (sent, answer.status_code) == (MAX_RANGES, 200)

    answer = await hub.post([raw_line(9_999, "x", b"x")], last=10_000)

    assert answer.status_code == 400
    assert "send the lowest numbers that are missing first" in answer.json()["error"]
    assert (await put(hub, [2], last=10_000))["results"][0]["status"] == "accepted"
