"""What the hub rejected: kept with its reason, listed, shown, and taken in after a fix."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from services.ingest import aside
from services.ingest.gaps import gaps
from services.ingest.rejected import body_of, set_aside_of, try_again
from services.ingest.sites import AdminError
from shared.message import MAX_MESSAGE_BYTES
from shared.messages import MeterRead
from shared.store.postgres import Store
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import line, meter_read, raw_line

HOSTILE = "\x1b]0;owned\x07\u202e\x9b2J".encode() + b"\xff\x00\n\\n"


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


async def rejected_before(hub: Hub, n: int, read: MeterRead, **other: object) -> int:
    """The number of a read that a hub with a fault has rejected."""
    body = read.to_json()
    row = {"body": body, "order_id": read.order, "reason": "a fault of the hub", **other}
    [told] = await hub.rows(
        "insert into rejected (site_id, spool, n, digest, type, reason, body, order_id,"
        " received_at) values (%s, %s, %s, %s, 'meter.read.v1', %s, %s, %s, now()) returning no",
        *(hub.site.id, hub.spool, n, sha256(body).digest()),
        *(row["reason"], row["body"], row["order_id"]),
    )
    return int(told["no"])


async def listed(hub: Hub, **which: bool) -> list[tuple[str, str]]:
    rows = await set_aside_of(hub.store, [hub.site], **which)
    return [(row["what"], row["reason"]) for row in rows]


async def test_what_was_rejected_is_listed_and_shown_as_text_that_no_terminal_obeys(
    hub: Hub,
) -> None:
    await hub.post([raw_line(7, "meter.read.v1", b'"%s"' % HOSTILE)])

    [row] = await set_aside_of(hub.store, [hub.site])
    shown = await body_of(hub.store, row["no"])

    assert (row["site"], row["came_as"]) == ("hq", f"{hub.spool} no. 7")
    assert row["reason"].isprintable()
    assert shown.replace("\n", "").isprintable()
    assert shown == '"\\x1b]0;owned\\x07\\u202e\\x9b2J\\xff\\x00\n\\n"'


async def test_another_body_of_an_id_is_listed_too(hub: Hub) -> None:
    read = meter_read(1)
    await hub.send(read, read.model_copy(update={"meters": {"total": 5}}))

    [row] = await set_aside_of(hub.store, [hub.site])

    assert (row["what"], row["came_as"]) == ("other body", f"id {read.id}")
    assert json.loads(await body_of(hub.store, row["no"]))["meters"] == {"total": 5}
    with pytest.raises(AdminError, match="nothing rejected has the number"):
        await try_again(hub.store, row["no"])


async def test_a_rejected_read_is_taken_in_after_a_fix_of_the_hub(hub: Hub) -> None:
    read = meter_read(1)
    await hub.send(meter_read(2))
    no = await rejected_before(hub, 7, read)
    assert await hub.number("select count(*) from order_aside") == 1

    assert await try_again(hub.store, no) == "accepted"

    [row] = await hub.rows(
        "select r.settled_by, m.body, m.spool, m.n from rejected r"
        " join message m on m.id = r.settled_by and m.ledger_no = 2"
    )
    assert (row["settled_by"], row["body"], row["n"]) == (read.id, read.to_json(), 7)
    assert await hub.number("select count(*) from read") == 2
    assert await hub.number("select length from site_head") == 2
    assert await hub.number("select count(*) from order_aside") == 0
    assert (await listed(hub), await listed(hub, settled=True)) == (
        [],
        [("rejected", "a fault of the hub")],
    )
    assert (await body_of(hub.store, no)).encode() == read.to_json()
    with pytest.raises(AdminError, match="was settled on"):
        await try_again(hub.store, no)


async def test_what_is_tried_again_is_dated_by_the_clock_of_its_time(hub: Hub) -> None:
    """The site's clock was two hours slow when it was spooled, and is right by now."""
    no = await rejected_before(hub, 7, meter_read(1))
    for sent_at, arrived_at, last in (
        ("2026-11-20 12:05Z", "2026-11-20 14:05Z", 7),
        ("2026-11-21 12:05Z", "2026-11-21 12:05Z", 9),
    ):
        await hub.rows(
            "insert into clock_sample (site_id, spool, sent_at, arrived_at, last)"
            " values (%s, %s, %s, %s, %s)",
            *(hub.site.id, hub.spool, sent_at, arrived_at, last),
        )

    await try_again(hub.store, no)

    [row] = await hub.rows("select billed_at - taken_at as off from read")
    assert row["off"].total_seconds() == 7200


async def test_what_is_rejected_again_says_why_now(hub: Hub) -> None:
    await hub.post([raw_line(1, "meter.read.v1", b"{}")])
    await hub.rows("update rejected set reason = 'an older word of it'")

    said = await try_again(hub.store, 1)

    assert said.startswith("rejected again: ")
    assert "older" not in (await listed(hub))[0][1]


async def test_a_body_that_was_cut_is_not_tried_again_but_sent_again(hub: Hub) -> None:
    await hub.post([raw_line(7, "x", b'"%s"' % (b"x" * MAX_MESSAGE_BYTES))])

    with pytest.raises(AdminError, match="pagetally sent --again 7"):
        await try_again(hub.store, 1)


async def test_what_the_site_sends_again_settles_what_was_rejected(hub: Hub) -> None:
    read = meter_read(1)
    await rejected_before(hub, 3, read)

    answer = await hub.post([line(9, read)], first_unsent=9, last=9)

    assert answer.json()["results"][0]["status"] == "accepted"
    assert await listed(hub) == []
    assert await hub.number("select count(*) from rejected where settled_at is not null") == 1


async def test_a_site_whose_rejected_messages_are_too_many_keeps_the_rest_itself(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "MAX_ROWS", 2)
    lines = [*(raw_line(n, "x", b"%d" % n) for n in range(1, 6)), line(6, meter_read(1))]

    told = [(await hub.post(lines)).json() for _ in range(2)]

    assert await hub.number("select count(*) from rejected") == 2
    assert [it["status"] for it in told[0]["results"]] == ["rejected"] * 5 + ["accepted"]
    assert told[1]["renumber"] is False
    assert await gaps(hub.store, hub.site) == []
