"""A round's orders: each given until the bus has it; one that ended its reader twice, alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from services.discovery.roster import Roster
from services.discovery.roster_rows import AnswerRow
from shared.bus.port import BusDownError
from shared.log import log
from shared.message import Message
from shared.messages import DeviceFound, order_id

_SUSPECT_AFTER = 2  # times given and not finished
_LONGEST_PAUSE_S = 600.0  # in one process each try may read the device again, for a full disk


class Orders:
    """Gives a round's orders, at most `at_once` that the bus has not yet taken.

    How often an order was given is in the roster before it is published: after a crash those
    that were in hand twice go last and one at a time, and take no neighbour along.
    """

    def __init__(
        self,
        roster: Roster,
        publish: Callable[[Message], Awaitable[None]],
        round_id: UUID,
        *,
        read_before: datetime,
        at_once: int,
        now: Callable[[], datetime],
    ) -> None:
        self.not_taken: dict[str, str] = {}  # by the target as it is shown: why the bus has it not
        self._roster = roster
        self._publish = publish
        self._round_id = round_id
        self._read_before = read_before
        self._slots = asyncio.Semaphore(at_once)
        self._now = now
        self._begun: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def given_meanwhile(self) -> AsyncIterator[None]:
        """Nothing is left running behind the block."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def give_again(self) -> None:
        """What answered before a restart and is not with the bus; suspects wait for the end."""
        await self._give_each(one for one in self._left() if one.given < _SUSPECT_AFTER)

    async def give(self, one: AnswerRow) -> None:
        """Returns when there is room for the order, not when the bus has it."""
        await self._slots.acquire()
        self._begun.add(one.target.key)
        task = asyncio.create_task(self._give_in_slot(one))
        self._tasks.add(task)

    async def all_given(self) -> None:
        """All that answered is with the bus, or in `not_taken`."""
        await self.give_again()
        await asyncio.gather(*self._tasks)
        for suspect in self._left():
            log.warning("order given alone", target=suspect.target.key, given=suspect.given)
            await self._give(suspect)

    def _left(self) -> list[AnswerRow]:
        return [
            one
            for one in self._roster.answers(self._round_id)
            if one.outcome == "printing" and not one.published and one.target.key not in self._begun
        ]

    async def _give_each(self, rows: Iterable[AnswerRow]) -> None:
        for one in list(rows):
            await self.give(one)

    async def _give_in_slot(self, one: AnswerRow) -> None:
        try:
            await self._give(one)
        finally:
            self._slots.release()

    async def _give(self, one: AnswerRow) -> None:
        found = DeviceFound(
            order=order_id(self._round_id, one.target),
            round=self._round_id,
            target=one.target,
            found_by=one.found_by,
            credential=one.credential or None,
            read_before=self._read_before,
            given=one.given,
            manner=one.manner,
            spooled=one.spooled,
        )
        pause_s = 1.0
        while True:
            self._roster.giving(self._round_id, one.target, 1)
            try:
                await self._publish(found)
            except BusDownError as error:
                self._roster.giving(self._round_id, one.target, -1)
                if self._now() >= self._read_before:
                    self.not_taken[one.shown] = f"its order was not given: {error}"
                    return
                log.warning("order not taken", target=one.target.key, reason=str(error))
            except asyncio.CancelledError:
                self._roster.giving(self._round_id, one.target, -1)
                raise
            else:
                self._roster.order_published(self._round_id, one.target)
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
