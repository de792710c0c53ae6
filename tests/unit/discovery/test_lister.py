"""When the segments are listed, what is logged of a scope, and that no failure hinders a round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.discovery import lister as lister_module
from services.discovery.agenda import Agenda
from services.discovery.lister import Lister
from services.discovery.roster import Roster
from services.discovery.settings import DiscoverySettings
from shared.bus.port import BusDownError, Delivery
from shared.message import Message
from shared.messages import NotReached, SegmentsListed
from shared.quiet import QuietHours
from shared.scope import Ask, Scope
from tests.unit.discovery.test_agenda import MONDAY, Ran
from tests.unit.discovery.test_rounds import until


class Box:
    """An agenda whose list of segments is what `listing` makes of the scope."""

    def __init__(self, folder: Path) -> None:
        self.roster = Roster(folder / "roster.sqlite")
        self.rounds = Ran(self.roster)
        self.published: list[Message] = []
        self.scopes: list[int] = []
        self.quiet_hours: list[QuietHours] = []
        self.fault: Exception | None = None
        self.bus_is_down = 0
        lister = Lister(self.roster, self._publish, self._list, self.now, self.quiet_hours)
        settings = DiscoverySettings(jitter_s=0)
        self.agenda = Agenda(self.roster, self.rounds, settings, self.now, self.quiet_hours, lister)

    def now(self) -> datetime:
        return MONDAY

    async def _list(self, scope: Scope, known: Sequence[str]) -> SegmentsListed:
        self.scopes.append(scope.version)
        if self.fault:
            raise self.fault
        refused = [NotReached(target=one, reason="outside") for one in scope.segments]
        return SegmentsListed(
            round=uuid4(), agent="a", listed_at=MONDAY, segments=[], refused=refused
        )

    async def _publish(self, message: Message) -> None:
        if self.bus_is_down:
            self.bus_is_down -= 1
            raise BusDownError("away")
        self.published.append(message)

    async def keep(self, version: int, **fields: object) -> None:
        scope = {"version": version, "author": "ann", "changed_at": MONDAY, **fields}
        await self.agenda.keep_scope(Scope.model_validate(scope), Delivery())

    async def run_until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.agenda.run())
        try:
            await until(condition)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(lister_module, "PAUSE_S", 0.01)
    monkeypatch.setattr(lister_module, "_QUIET_LOOK_S", 0.01)
    return Box(tmp_path)


async def test_a_list_is_broken_off_where_quiet_hours_begin_and_made_after_them(box: Box) -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()
    quiet = MONDAY + timedelta(seconds=0.1), MONDAY + timedelta(seconds=0.3)
    began_at: list[float] = []

    async def asking(scope: Scope, known: Sequence[str]) -> SegmentsListed:
        began_at.append(clock() - begun)
        if len(began_at) == 1:
            await asyncio.sleep(60)
        return SegmentsListed(round=uuid4(), agent="a", listed_at=MONDAY, segments=[])

    hours = [QuietHours(*(one.astimezone().time() for one in quiet))]
    lister = Lister(
        box.roster,
        box._publish,
        asking,
        lambda: MONDAY + timedelta(seconds=clock() - begun),
        hours,
    )
    lister.want()
    running = asyncio.create_task(lister.run())
    await until(lambda: bool(box.published))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(began_at) == 2
    assert began_at[1] >= 0.3


async def test_segments_are_listed_at_start_and_after_each_newer_scope(box: Box) -> None:
    running = asyncio.create_task(box.agenda.run())
    await until(lambda: len(box.published) == 1)
    await box.keep(2)
    await until(lambda: len(box.published) == 2)
    await box.keep(1)
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert box.scopes == [0, 2]


async def test_a_scope_is_logged_with_its_author_and_what_the_site_refuses(box: Box) -> None:
    with capture_logs() as logs:
        await box.keep(7, segments=["192.168.0.0/24"])
        await box.run_until(lambda: bool(box.published))

    said = [{**line} for line in logs if line["event"].startswith("scope ")]
    kept, refused = said
    assert (kept["event"], kept["version"], kept["author"]) == ("scope kept", 7, "ann")
    assert refused == {
        "event": "scope refused",
        "log_level": "warning",
        "version": 7,
        "author": "ann",
        "target": "192.168.0.0/24",
        "reason": "outside",
    }


async def test_a_search_brings_a_list(box: Box) -> None:
    await box.agenda.run_once("search")
    await box.agenda.run_once("read")

    assert len(box.published) == 1
    assert [one.kind for one in box.rounds.ran] == ["search", "read"]


@pytest.mark.parametrize("fault", [OSError("no such table"), RuntimeError("a fault of ours")])
async def test_a_list_that_fails_hinders_no_round(box: Box, fault: Exception) -> None:
    box.fault = fault
    ask = Ask(id=uuid4(), kind="search", until=MONDAY + timedelta(minutes=5))
    await box.keep(1, asks=[ask])

    with capture_logs() as logs:
        await box.run_until(lambda: bool(box.rounds.ran and box.scopes))

    assert box.published == []
    assert "segments not listed" in {line["event"] for line in logs}


async def test_a_list_waits_for_the_bus(box: Box) -> None:
    box.bus_is_down = 2

    await box.run_until(lambda: bool(box.published))

    assert box.scopes == [0]


async def test_in_quiet_hours_nothing_is_listed_and_afterwards_it_is(box: Box) -> None:
    local = MONDAY.astimezone(UTC).astimezone()
    box.quiet_hours.append(
        QuietHours((local - timedelta(hours=1)).time(), (local + timedelta(hours=2)).time())
    )
    running = asyncio.create_task(box.agenda.run())
    await asyncio.sleep(0.05)
    assert box.scopes == []

    box.quiet_hours.clear()
    await until(lambda: box.scopes == [0])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
