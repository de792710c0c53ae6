"""The watch on a real database and a real mail server: late is listed, and mailed once."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from services.ingest.keys import add_key
from services.ingest.sites import site_named
from services.reporter.smtp import Mailer
from services.reporter.watch import Watcher
from shared.clock import utc_now
from shared.store.beating import beating
from shared.store.postgres import Store
from shared.store.watch import Watched, late
from tests.contract.hub_rows import Hub, new_hub
from tests.contract.test_console import HOSTILE, get
from tests.contract.test_reporter import mailer
from tests.peers.smtp import SmtpPeer

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPS, BOSS = "ops@dealer.example", "boss@dealer.example"


@pytest.fixture
async def hub(store: Store) -> Hub:
    """With one site that has a key."""
    hub = await new_hub(store)
    await add_key(store, await site_named(store, name_of(hub)))
    return hub


def name_of(hub: Hub) -> str:
    return f"site-of-{hub.customer.id}"


async def heard_of(hub: Hub, at: datetime, **status: object) -> None:
    await hub.run(
        "insert into spool (site_id, id, first_seen_at, last_seen_at, clock_offset_s, status)"
        " values (%s, %s, %s, %s, 0, %s)",
        *(hub.site_id, uuid4(), at, at, json.dumps(status)),
    )


def watcher(hub: Hub, mails: Mailer, *addresses: str) -> Watcher:
    return Watcher(hub.store, mails, mail_from="meters@dealer.example", mail_to=addresses or (OPS,))


async def looks(watching: Watcher, begin: datetime, minutes: int) -> None:
    for minute in range(minutes):
        await watching.look(begin + minute * MINUTE)


async def late_now(store: Store) -> dict[str, Watched]:
    async with store.transaction() as connection:
        return {" ".join(one.key): one for one in await late(connection, utc_now())}


async def test_a_silent_site_is_mailed_once_to_each_address(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now - 3 * HOUR)

    await looks(watcher(hub, mailer(smtp), OPS, BOSS), now - 40 * MINUTE, 40)

    assert sorted(one.recipient for one in smtp.received) == [BOSS, OPS]
    text = smtp.received[0].message.get_content()
    assert f"site {name_of(hub)}, contact: last " in text
    assert "run pagetally check there" in text
    one = (await late_now(hub.store))[f"site {name_of(hub)} contact"]
    assert one.told == {OPS, BOSS}


async def test_a_site_that_comes_and_goes_is_mailed_once(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now - 6 * HOUR)
    watching = watcher(hub, mailer(smtp))

    await looks(watching, now - 5 * HOUR, 30)
    await heard_of(hub, now - 4 * HOUR - 30 * MINUTE)
    await looks(watching, now - 4 * HOUR - 29 * MINUTE, 30)
    await looks(watching, now - 3 * HOUR, 60)

    assert len(smtp.received) == 1


async def test_a_mail_that_nobody_took_is_mailed_later(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now - 6 * HOUR)
    smtp.busy[OPS] = 2

    await looks(watcher(hub, mailer(smtp)), now - 5 * HOUR, 60)

    assert len(smtp.received) == 1


async def test_of_several_watchers_one_mails(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now - 6 * HOUR)
    both = [watcher(hub, mailer(smtp)) for _ in range(2)]
    for minute in range(30):
        at = now - HOUR + minute * MINUTE
        await asyncio.gather(*(each.look(at) for each in both))

    assert len(smtp.received) == 1


async def test_what_no_address_is_set_for_is_listed_all_the_same(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now, disk_days=2.25)

    await Watcher(hub.store, mailer(smtp), mail_from="meters@dealer.example", mail_to=()).look(
        now + MINUTE
    )

    said = (await late_now(hub.store))[f"site {name_of(hub)} disk"]
    assert said.expected.cause == "its disk is full in 2.2 days; make room there"
    assert smtp.received == []


async def test_a_round_that_does_not_close_makes_a_site_late(hub: Hub, smtp: SmtpPeer) -> None:
    now = utc_now()
    await heard_of(hub, now)
    await hub.run(
        "insert into round_course (site_id, id, first_at, parts_came, named, came)"
        " values (%s, %s, %s, 0, 0, 12)",
        *(hub.site_id, uuid4(), now - 8 * HOUR),
    )

    await watcher(hub, mailer(smtp)).look(now)

    said = (await late_now(hub.store))[f"site {name_of(hub)} reads"]
    assert said.expected.cause.startswith("1 round is not closed: no poller runs there")


async def test_a_reporter_that_ended_is_told_by_the_others(hub: Hub) -> None:
    async with beating(hub.store, "ingest"), beating(hub.store, "reporter", [lambda: "no room"]):
        pass
    await hub.run(
        "update heartbeat set seen_at = now() - interval '1 h' where service = 'reporter'"
    )

    [said] = (await late_now(hub.store)).values()

    assert said.key == ("hub", "reporter")
    assert said.expected.cause.endswith("it last missed: no room")


@pytest.mark.parametrize("began_at", ["0001-01-01T00:00Z", "9999-12-31T23:59:59Z", "2027-01-01Z"])
async def test_of_a_round_that_no_clock_can_be_right_of_nothing_is_expected(
    hub: Hub, smtp: SmtpPeer, began_at: str
) -> None:
    now = utc_now()
    await heard_of(hub, now)
    await hub.run(
        "insert into round_course (site_id, id, first_at, parts_came, named, came, closed)"
        " values (%s, %s, %s, 0, 0, 0, true), (%s, %s, %s, 0, 0, 0, true)",
        *(hub.site_id, uuid4(), began_at, hub.site_id, uuid4(), now - 24 * HOUR),
    )

    await looks(watcher(hub, mailer(smtp)), now, 1)

    assert f"site {name_of(hub)} rounds" in await late_now(hub.store)


async def test_the_console_shows_who_is_late_and_nothing_of_what_he_is_called_runs(
    hub: Hub,
) -> None:
    await hub.run(
        "insert into expected (subject, part, expected_by, cause, looked_at)"
        " values (%s, 'contact', '2026-10-31T08:00Z', %s, now())",
        *(f"site {name_of(hub)}", f"its broker: {HOSTILE}"),
    )

    response, page = await get(hub.store)

    assert response.status_code == 200
    assert f"site {name_of(hub)} , contact: expected by 2026-10-31 08:00 UTC" in page.text
    assert "script" not in page.tags
