"""What is to be done next: the open round, else the one that is due; and the scope that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from services.discovery.devices import known_by_snmp
from services.discovery.lister import Lister
from services.discovery.plan import Wish
from services.discovery.roster import Roster, RosterError, Round
from services.discovery.rounds import Rounds
from services.discovery.schedule import Due, due_round, next_begin
from services.discovery.settings import DiscoverySettings
from services.discovery.wish import NO_SCOPE, wish_of
from shared.bus.port import CannotStoreError, Delivery
from shared.credentials import CredentialError
from shared.log import log
from shared.message import Message
from shared.messages import RoundFinished
from shared.quiet import QuietHours, quiet_from
from shared.schedule import RoundKind, schedules
from shared.scope import Scope

_LONGEST_SLEEP_S = 60.0  # then the clock is looked at again: it may have been set
_AFTER_FAULT_S = 30.0
_MOST_FAULTS = 3  # of one round, in a row


class Agenda:
    """One round at a time; one that a crash left open comes before a new one."""

    def __init__(
        self,
        roster: Roster,
        rounds: Rounds,
        settings: DiscoverySettings,
        now: Callable[[], datetime],
        quiet_hours: Sequence[QuietHours] = (),
        lister: Lister | None = None,
    ) -> None:
        self._roster = roster
        self._rounds = rounds
        self._settings = settings
        self._now = now
        self._quiet_hours = quiet_hours
        self._lister = lister
        self._awake = asyncio.Event()
        self._searches_first = False

    async def keep_scope(self, message: Message, delivery: Delivery) -> Sequence[Message]:
        """The handler of DISCOVERY_SCOPE. Raises: CannotStoreError."""
        assert isinstance(message, Scope)
        try:
            is_newer = self._roster.keep_scope(message)
        except RosterError as error:
            raise CannotStoreError(str(error)) from error
        log.info(
            "scope kept" if is_newer else "scope is not newer",
            version=message.version,
            author=message.author,
            segments=len(message.segments),
            targets=len(message.targets),
            asks=len(message.asks),
        )
        if is_newer:
            for fault in schedules(message, agent="", jitter_s=0)[1]:
                log.error("scope fault", version=message.version, fault=fault)
            self._awake.set()
            self._want_list()
        return []

    @property
    def scope_version(self) -> int:
        """Of the scope that is kept; 0 where there is none. Raises: RosterError."""
        return (self._roster.scope() or NO_SCOPE).version

    async def run(self) -> None:
        """Until cancelled."""
        listing = asyncio.create_task(self._lister.run()) if self._lister else None
        self._want_list()
        try:
            await self._run()
        finally:
            if listing:
                listing.cancel()
                await asyncio.gather(listing, return_exceptions=True)

    async def _run(self) -> None:
        self._searches_first = self._settings.search_at_start and not self._roster.open_round()
        faults = 0
        while True:
            self._awake.clear()
            current = None
            try:
                current = self._roster.open_round() or self._begin_due()
                if current:
                    await self.finish(current)
                    faults = 0
                    continue
            except (RosterError, CredentialError) as error:
                log.error("round cannot go on", reason=str(error))
                await asyncio.sleep(_AFTER_FAULT_S)
                continue
            except Exception as error:  # noqa: BLE001  (one round must not end those after it)
                faults += 1
                log.error("round fault", times=faults, fault=repr(error)[:500])
                if current and faults >= _MOST_FAULTS:
                    self._give_up(current)
                await asyncio.sleep(_AFTER_FAULT_S)
                continue
            await self._sleep()

    def _give_up(self, current: Round) -> None:
        try:
            self._rounds.give_up(current, f"given up after {_MOST_FAULTS} faults; see the log")
        except RosterError as error:
            log.error("round cannot be given up", reason=str(error))

    async def run_once(self, kind: RoundKind) -> list[RoundFinished]:
        """One round now, after one that is still open; a search with a list of the segments."""
        left = self._roster.open_round()
        if left:
            await self.finish(left)
        finished = await self.finish(self.begin(Due(kind, self._now())))
        if self._lister and kind == "search":
            await self._lister.list_once()
        return finished

    async def finish(self, current: Round) -> list[RoundFinished]:
        finished = await self._rounds.run(current)
        for part in finished[:1]:
            log.info(
                "round finished",
                kind=part.kind,
                round=str(part.round),
                asked=part.asked,
                answered=part.answered,
                orders=sum(len(one.orders) for one in finished),
                silent=sum(len(one.silent) for one in finished),
                not_reached=sum(len(one.not_reached) for one in finished),
                packets=part.packets,
                bytes=part.bytes,
                interrupted=part.interrupted,
            )
        if current.kind == "search":
            self._want_list()  # now it is known which devices are in them
        return finished

    def begin(self, due: Due) -> Round:
        """A round in the roster, before its first datagram."""
        now = self._now()
        begun = Round(
            self._round_id(due),
            due.kind,
            self._wish(due.kind),
            started_at=now,
            deadline=now + timedelta(seconds=self._settings.deadline_s),
            ask=due.ask.id if due.ask else None,
        )
        self._roster.begin(begun, due.instant)
        log.info("round begun", kind=due.kind, round=str(begun.id), asked_for=due.ask is not None)
        return begun

    def _begin_due(self) -> Round | None:
        """None too in quiet hours; what is due then is due once they have ended."""
        now = self._now()
        quiet = quiet_from(self._quiet_hours, now)
        if quiet and quiet <= now:
            return None
        if self._searches_first:
            self._searches_first = False
            return self.begin(Due("search", now))
        scope = self._roster.scope() or NO_SCOPE
        found, _ = schedules(scope, agent=self._settings.agent, jitter_s=self._settings.jitter_s)
        done = self._roster.asks_done()
        due = due_round(found, self._roster.served(now), scope.asks, done, now)
        return self.begin(due) if due else None

    def _wish(self, kind: RoundKind) -> Wish:
        scope = self._roster.scope() or NO_SCOPE
        known = known_by_snmp(self._roster.known()) if kind == "read" else ()
        return wish_of(kind, scope, self._settings, known)

    def _want_list(self) -> None:
        if self._lister:
            self._lister.want()

    def _round_id(self, due: Due) -> UUID:
        """Of an ask derived, so that it is one round however often it comes."""
        return uuid5(due.ask.id, f"round {self._settings.agent}") if due.ask else uuid4()

    async def _sleep(self) -> None:
        scope = self._roster.scope() or NO_SCOPE
        found, _ = schedules(scope, agent=self._settings.agent, jitter_s=self._settings.jitter_s)
        now = self._now()
        begin = next_begin(found, now)
        until_s = (begin - now).total_seconds() + 0.01 if begin else _LONGEST_SLEEP_S
        with suppress(TimeoutError):
            async with asyncio.timeout(min(until_s, _LONGEST_SLEEP_S)):
                await self._awake.wait()
