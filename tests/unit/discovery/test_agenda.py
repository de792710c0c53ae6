"""What begins when: the scope as it comes, asks, one round at a time, and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.discovery import agenda as agenda_module
from services.discovery.agenda import Agenda
from services.discovery.roster import Roster, Round
from services.discovery.rounds import Rounds
from services.discovery.settings import DiscoverySettings
from shared.bus.port import CannotStoreError, Delivery
from shared.messages import RoundFinished
from shared.quiet import QuietHours
from shared.scope import Ask, Scope
from shared.settings import settings_or_exit
from tests.unit.discovery.test_rounds import until

MONDAY = datetime(2026, 3, 2, 4, 59, tzinfo=UTC)


class Ran(Rounds):
    """Rounds that end at once."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.ran: list[Round] = []

    async def run(self, current: Round) -> list[RoundFinished]:
        self.ran.append(current)
        self.roster.finish(current.id)
        return []


class Desk:
    def __init__(self, folder: Path, **settings: object) -> None:
        self.roster = Roster(folder / "roster.sqlite")
        self.rounds = Ran(self.roster)
        self.time = MONDAY
        chosen = DiscoverySettings.model_validate({"jitter_s": 0, **settings})
        self.quiet_hours: list[QuietHours] = []
        self.agenda = Agenda(self.roster, self.rounds, chosen, lambda: self.time, self.quiet_hours)

    async def keep(self, version: int, *asks: Ask, **fields: object) -> None:
        scope = {"version": version, "author": "a", "changed_at": MONDAY, "asks": asks, **fields}
        await self.agenda.keep_scope(Scope.model_validate(scope), Delivery())

    async def run_until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.agenda.run())
        try:
            await until(condition)
            await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_an_ask_of_a_new_scope_begins_at_once_and_once(desk: Desk) -> None:
    ask = Ask(id=uuid4(), kind="search", until=MONDAY + timedelta(minutes=5))
    running = asyncio.create_task(desk.agenda.run())
    await asyncio.sleep(0.02)
    assert desk.rounds.ran == []

    await desk.keep(1, ask, segments=["10.0.0.0/24"])
    await until(lambda: len(desk.rounds.ran) == 1)
    await desk.keep(2, ask, segments=["10.0.0.0/24"])
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    [ran] = desk.rounds.ran
    assert (ran.kind, ran.ask, ran.wish.segments) == ("search", ask.id, ("10.0.0.0/24",))


async def test_an_ask_is_the_same_round_on_a_roster_that_was_lost(tmp_path: Path) -> None:
    ask = Ask(id=uuid4(), kind="read", until=MONDAY + timedelta(minutes=5))
    ids = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        desk = Desk(tmp_path / name)
        await desk.keep(1, ask)
        await desk.run_until(lambda desk=desk: bool(desk.rounds.ran))  # type: ignore[misc]
        ids.add(desk.rounds.ran[0].id)

    assert len(ids) == 1


async def test_an_open_round_is_continued_before_a_new_one_begins(desk: Desk) -> None:
    ask = Ask(id=uuid4(), kind="read", until=MONDAY + timedelta(minutes=5))
    await desk.keep(1, ask)
    left = Round(uuid4(), "search", desk.agenda._wish("search"), MONDAY, MONDAY)
    desk.roster.begin(left, MONDAY)

    await desk.run_until(lambda: len(desk.rounds.ran) == 2)

    assert [one.id == left.id for one in desk.rounds.ran] == [True, False]


async def test_a_schedule_that_was_slept_through_begins_one_round_of_each_kind(desk: Desk) -> None:
    await desk.keep(1)
    await desk.run_until(lambda: True)
    desk.time = MONDAY + timedelta(days=14)

    await desk.run_until(lambda: len(desk.rounds.ran) >= 2)

    assert [one.kind for one in desk.rounds.ran] == ["search", "read"]


async def test_a_first_start_waits_for_the_schedule_unless_it_is_to_search(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    waiting, searching = Desk(tmp_path / "a"), Desk(tmp_path / "b", search_at_start=True)

    await waiting.run_until(lambda: True)
    await searching.run_until(lambda: bool(searching.rounds.ran))

    assert waiting.rounds.ran == []
    assert [one.kind for one in searching.rounds.ran] == ["search"]


async def test_in_quiet_hours_no_round_begins_and_afterwards_what_was_due(tmp_path: Path) -> None:
    desk = Desk(tmp_path, search_at_start=True)
    ask = Ask(id=uuid4(), kind="read", until=MONDAY + timedelta(hours=9))
    local = MONDAY.astimezone()
    desk.quiet_hours.append(
        QuietHours((local - timedelta(hours=1)).time(), (local + timedelta(hours=2)).time())
    )
    await desk.keep(1, ask)

    await desk.run_until(lambda: True)
    assert desk.rounds.ran == []

    desk.time = MONDAY + timedelta(hours=2)
    await desk.run_until(lambda: len(desk.rounds.ran) >= 2)
    assert [(one.kind, one.ask is not None) for one in desk.rounds.ran][:2] == [
        ("search", False),
        ("read", True),
    ]


async def test_a_scope_that_cannot_be_stored_stays_with_the_bus(desk: Desk) -> None:
    desk.roster._db.execute("PRAGMA query_only = ON")

    with pytest.raises(CannotStoreError):
        await desk.keep(1)


def test_targets_are_typed_with_commas_or_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCOVERY_TARGETS", "10.0.0.7, printer3  10.0.1.0/24")
    monkeypatch.setenv("DISCOVERY_CREDENTIALS", "head-office")

    settings = settings_or_exit(DiscoverySettings)

    assert settings.targets == ("10.0.0.7", "printer3", "10.0.1.0/24")
    assert settings.credentials == ("head-office",)


def test_a_setting_that_does_not_exist_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCOVERY_TIMOUT_S", "3")

    with pytest.raises(SystemExit) as ended:
        settings_or_exit(DiscoverySettings)

    assert ended.value.code == 2
    assert "did you mean DISCOVERY_TIMEOUT_S?" in capsys.readouterr().err


async def test_a_round_that_fails_again_and_again_is_given_up_and_others_follow(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda_module, "_AFTER_FAULT_S", 0.01)
    given_up: list[Round] = []

    async def fails(current: Round) -> list[RoundFinished]:
        if not given_up:
            raise RuntimeError("a fault of ours")
        return await Ran.run(desk.rounds, current)

    def give_up(current: Round, reason: str) -> None:
        given_up.append(current)
        desk.roster.finish(current.id)

    monkeypatch.setattr(desk.rounds, "run", fails)
    monkeypatch.setattr(desk.rounds, "give_up", give_up)
    asks = [Ask(id=uuid4(), kind="search", until=MONDAY + timedelta(minutes=5)) for _ in range(2)]
    await desk.keep(1, *asks)
    await desk.run_until(lambda: len(desk.rounds.ran) == 1)

    assert {given_up[0].ask, desk.rounds.ran[0].ask} == {ask.id for ask in asks}
