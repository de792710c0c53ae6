"""A site's clock that is wrong, or is set, moves no read over a billing date and loses none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.ingest.explain import explain
from services.ingest.sites import add_customer, sites
from services.ingest.typed import rebuild
from services.reporter.make import gather
from services.reporter.period import month
from services.reporter.report import Report
from services.uploader.boot import SinceBoot
from services.uploader.relay import Relay
from services.uploader.spool import Spool
from shared.message import Message
from shared.messages import DeviceIdentity
from shared.store.events import device_events
from shared.store.postgres import Store
from shared.store.reports import customer_named
from tests.contract.test_console import get
from tests.contract.test_ingest import Hub, a_hub
from tests.contract.test_spool_at_hub import InProcess
from tests.unit.ingest.batches import SENT_AT, line, meter_read, raw_line, round_finished, target

Ahead = Callable[[datetime], timedelta]  # how far a clock is ahead, at an instant by the hub's


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def right(_: datetime) -> timedelta:
    return timedelta()


def always(days: int) -> Ahead:
    return lambda _: timedelta(days)


def once_set(when: str, before: int, after: int) -> Ahead:
    """By how many days it is ahead until it is set, and from then on."""
    return lambda now: timedelta(before if now < at(when) else after)


@dataclass
class World:
    """A hub whose clock the test sets."""

    store: Store
    hub: Hub = field(init=False)
    now: datetime = SENT_AT

    async def site(self, name: str, ahead: Ahead, *, says_ages: bool = True) -> AgentAt:
        """A site of a customer of its own; both are called so."""
        await add_customer(self.store, name)
        return AgentAt(self, await self.hub.beside(name, name), ahead, says_ages)

    async def report(self, customer: str, period: str) -> Report:
        async with self.store.transaction() as connection:
            known = await customer_named(connection, customer)
        assert known
        return await gather(self.store, known, month(period, "UTC"), at("2027-01-01T06:00"))


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    made = World(store)
    async with a_hub(store, lambda: made.now) as made.hub:
        yield made


@dataclass
class AgentAt:
    """An agent whose box has a clock of its own; all instants are by the hub's clock."""

    world: World
    hub: Hub
    ahead: Ahead
    says_ages: bool
    n: int = 0
    waiting: list[tuple[int, Message, datetime]] = field(default_factory=list)

    def shows(self, now: datetime) -> datetime:
        return now + self.ahead(now)

    def spool(self, message: Message, now: datetime) -> None:
        self.n += 1
        self.waiting.append((self.n, message, now))

    def read(self, text: str, number: int, total: int, **fields: Any) -> None:
        taken = at(text)
        fields |= {"taken_at": self.shows(taken), "meters": {"total": total}}
        self.spool(meter_read(number, **fields), taken + timedelta(seconds=3))

    async def contact(self, text: str) -> None:
        now = self.world.now = at(text)
        lines = [
            line(n, message, **self._told(spooled, now)) for n, message, spooled in self.waiting
        ]
        answer = await self.hub.post(lines, last=self.n, sent_at=self.shows(now))
        assert {each["status"] for each in answer.json()["results"]} <= {"accepted"}, answer.text
        self.waiting.clear()

    def _told(self, spooled: datetime, now: datetime) -> dict[str, bytes]:
        if not self.says_ages:
            return {}
        age_s = (now - spooled).total_seconds()
        return {
            "stored_at": json.dumps(self.shows(spooled).isoformat()).encode(),
            "age_s": b"%f" % age_s,
        }

    async def bills(self) -> dict[str, dict[str | None, tuple[str, dict[str, int]]]]:
        """By month, each device's status and pages."""
        found = {}
        for period in ("2026-10", "2026-11"):
            report = await self.world.report(self.hub.site.name, period)
            found[period] = {
                row.origin.serial: (row.volume.status, dict(row.volume.pages))
                for row in report.rows
            }
        return found

    async def billed(self) -> list[datetime]:
        rows = await self.hub.rows(
            "select billed_at from read where site_id = %s order by billed_at, serial",
            self.hub.site.id,
        )
        return [row["billed_at"] for row in rows]


async def over_the_months_end(agent: AgentAt, *, hub_is_away: bool = False) -> None:
    """Rounds at both ends of October, the last of them over midnight."""
    for device in range(1, 5):
        agent.read("2026-09-30T18:00", device, 1000 * device)
    await agent.contact("2026-09-30T18:01")
    for text in ("2026-10-29T23:45", "2026-10-30T00:00", "2026-10-30T00:15"):
        await agent.contact(text)
    for device, text in enumerate(("10-31T23:50", "10-31T23:58", "11-01T00:03", "11-01T00:09"), 1):
        if device == 2 and not hub_is_away:
            await agent.contact("2026-10-31T23:51")
        agent.read(f"2026-{text}", device, 1100 * device)
    if not hub_is_away:
        await agent.contact("2026-11-01T00:10")
    for device in range(1, 5):
        agent.read("2026-11-01T06:00", device, 1107 * device)
    await agent.contact("2026-11-01T06:01")


_CLOCKS = {
    "right": right,
    "ahead": always(2),
    "behind": always(-2),
    "set-forward-in-mid-round": once_set("2026-11-01T00:00", 0, 2),
    "set-back-in-mid-round": once_set("2026-11-01T00:00", 0, -2),
    "was-ahead-until-mid-round": once_set("2026-11-01T00:00", 2, 0),
    "was-behind-until-mid-round": once_set("2026-11-01T00:00", -2, 0),
}


@pytest.mark.parametrize("says_ages", [True, False], ids=["ages", "no ages"])
async def test_a_wrong_clock_bills_what_a_right_one_bills(world: World, says_ages: bool) -> None:
    agents = {
        name: await world.site(name, clock, says_ages=says_ages) for name, clock in _CLOCKS.items()
    }
    for agent in agents.values():
        await over_the_months_end(agent)

    bills, billed = await agents["right"].bills(), await agents["right"].billed()
    assert bills["2026-10"]["VB00002"] == ("ok", {"total": 200})
    assert bills["2026-11"]["VB00002"] == ("stale", {"total": 14})
    assert {name: await agent.bills() for name, agent in agents.items()} == dict.fromkeys(
        agents, bills
    )
    assert {name: await agent.billed() for name, agent in agents.items()} == dict.fromkeys(
        agents, billed
    )


async def test_while_the_hub_was_away_each_read_keeps_the_clock_that_it_was_taken_by(
    world: World,
) -> None:
    agents = {name: await world.site(name, clock) for name, clock in _CLOCKS.items()}
    for agent in agents.values():
        await over_the_months_end(agent, hub_is_away=True)

    bills = await agents["right"].bills()
    assert {name: await agent.bills() for name, agent in agents.items()} == dict.fromkeys(
        agents, bills
    )


async def test_what_was_billed_changes_by_no_later_contact_and_by_no_rebuild(world: World) -> None:
    agent = await world.site("wrong", always(2))
    await over_the_months_end(agent)
    before = await agent.bills(), await agent.billed()

    agent.ahead = always(-30)
    await agent.contact("2026-11-01T06:15")
    await rebuild(world.store, agent.hub.site)

    assert (await agent.bills(), await agent.billed()) == before


async def test_the_numbers_of_a_spool_before_date_nothing_of_the_next(world: World) -> None:
    agent = await world.site("wrong", always(2))
    for hour in (6, 12):
        agent.read(f"2026-10-01T{hour:02}:00", 1, 1000 + hour)
    await agent.contact("2026-10-01T12:01")

    agent.hub.spool, agent.n = uuid4(), 0
    agent.read("2026-10-01T18:00", 1, 1018)
    await agent.contact("2026-10-01T18:01")

    assert [f"{each:%d %H:%M}" for each in await agent.billed()] == [
        "01 06:00",
        "01 12:00",
        "01 18:00",
    ]


async def test_a_contact_that_shows_nothing_new_is_kept_once_an_hour(world: World) -> None:
    agent = await world.site("wrong", once_set("2026-10-01T02:00", 0, 2))
    for hour in range(4):
        for minute in (1, 16, 31, 46):
            await agent.contact(f"2026-10-01T0{hour}:{minute:02}")

    kept = await world.hub.rows("select arrived_at, offset_s from clock_sample order by arrived_at")

    assert [(f"{row['arrived_at']:%H:%M}", row["offset_s"]) for row in kept] == [
        ("00:01", 0.0),
        ("01:01", 0.0),
        ("02:01", -172800.0),
        ("03:01", -172800.0),
    ]


async def test_a_device_that_moved_while_the_clock_was_set_back_did_not_move_back(
    world: World,
) -> None:
    agent = await world.site("wrong", once_set("2026-10-01T12:00", 0, -2))
    moved = DeviceIdentity(make="HP", serial="CN00001")
    for hour, place in ((6, 7), (10, 7), (13, 9), (17, 9)):
        agent.read(f"2026-10-01T{hour:02}:00", place, 1000 + hour, device=moved)
        await agent.contact(f"2026-10-01T{hour:02}:01")

    async with world.store.transaction() as connection:
        shown = await device_events(
            connection, agent.hub.site.customer_id, at("2026-01-01T00:00"), 9
        )

    assert [
        (row["kind"], row["target_before"], row["target"], row["at"]) for row in shown.rows
    ] == [("moved", target(7).key, target(9).key, at("2026-10-01T13:00"))]


async def test_years_that_no_clock_shows_block_no_batch(world: World) -> None:
    """What a clock shows before it was set, and after it broke."""
    agent = await world.site("wrong", right)
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    world.now = at("2026-10-01T06:00")
    reads = [meter_read(n, taken_at=taken_at) for n, taken_at in enumerate((first, last), 1)]
    finished = round_finished(uuid4(), [1])
    rounds = [
        finished.model_copy(update={"round": uuid4(), "started_at": one, "finished_at": other})
        for one, other in ((first, last), (last, first), (first, first), (last, last))
    ]
    messages = [*reads, *rounds]

    for sent_at in (
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00Z",
    ):
        lines = [raw_line(n, it.routing_key, it.to_json()) for n, it in enumerate(messages, 1)]
        answer = await agent.hub.post(lines, sent_at=sent_at, last=len(lines))

        assert answer.status_code == 200, answer.text
        assert {each["status"] for each in answer.json()["results"]} <= {"accepted", "duplicate"}

    assert await agent.billed() == [world.now] * 2


async def test_a_wrong_clock_is_shown_wherever_its_reads_are(world: World) -> None:
    agent = await world.site("wrong", always(2))
    await over_the_months_end(agent)

    report = await world.report("wrong", "2026-10")
    [row] = [row for row in report.rows if row.origin.serial == "VB00002"]
    assert row.volume.closing
    assert row.volume.notes == (
        "previous reading: the site's clock was 2 days ahead, it said 2026-10-02 18:00",
        "current reading: the site's clock was 2 days ahead, it said 2026-11-02 23:58",
    )
    lines = await explain(world.store, row.volume.closing.id)
    assert "  taken at     2026-10-31 23:58:00 UTC" in lines
    assert "  site clock   2026-11-02 23:58:00 UTC, 2 days ahead" in lines
    _, page = await get(world.store, f"/?customer={agent.hub.site.customer_id}")
    assert "its clock is 2 days ahead : set it there" in page.text
    assert "2026-11-01 06:00 UTC, by the hub's clock: the site's was 2 days ahead" in page.text
    told = {row["name"]: row["clock"] for row in await sites(world.store)}
    assert (told["wrong"], told["hq"]) == ("2 days ahead", None)


async def test_a_read_of_the_future_is_billed_when_it_was_spooled_and_shown(world: World) -> None:
    """Its poller's clock is wrong, and the uploader's on another box is right."""
    agent = await world.site("honest", right)
    taken_at = at("2026-11-02T23:00")
    read = meter_read(1, taken_at=taken_at)
    agent.spool(read, at("2026-10-31T23:00"))
    await agent.contact("2026-11-01T00:30")

    assert await agent.billed() == [at("2026-10-31T23:00")]
    assert "  site clock   2026-11-02 23:00:00 UTC, 2 days ahead" in await explain(
        world.store, read.id
    )


async def test_what_a_busy_hub_takes_to_know_the_key_makes_no_clock_wrong(world: World) -> None:
    agent = await world.site("honest", right)
    async with world.store.transaction() as connection:
        await connection.execute("lock table site_key in access exclusive mode")
        answer = asyncio.create_task(agent.contact("2026-10-01T06:00"))
        await asyncio.sleep(0.1)
        world.now = at("2026-10-01T06:10")
    await answer

    [kept] = await world.hub.rows("select offset_s from clock_sample")
    assert kept["offset_s"] == 0.0


async def test_the_uploader_s_own_words_date_a_read_that_waited_while_its_clock_was_set(
    world: World, tmp_path: Path
) -> None:
    hub = world.hub
    booted = at("2026-10-31T20:00")
    taken = at("2026-10-31T23:59")
    world.now = taken
    ahead = timedelta(2)

    def since_boot() -> SinceBoot:
        return SinceBoot("this one", (world.now - booted).total_seconds())

    spool = Spool(tmp_path / "spool.sqlite")
    spool.store([meter_read(1, taken_at=taken + ahead)], taken + ahead, since_boot())
    world.now, ahead = at("2026-11-01T05:00"), timedelta()
    relay = Relay(
        spool,
        InProcess(hub),
        publish=_to_nobody,
        now=lambda: world.now + ahead,
        since_boot=since_boot,
        status=lambda: b"{}",
        contact_s=900,
        gather_s=0,
        keep_days=30,
    )
    assert await relay.contact(due=False) is None

    [row] = await hub.rows("select billed_at from read")
    assert row["billed_at"] == taken


async def _to_nobody(_: Message) -> None:
    raise NotImplementedError
