"""When the segments are listed: as often as it is wanted, beside the rounds and in no one's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from services.discovery.roster import Roster, RosterError
from services.discovery.wish import NO_SCOPE
from shared.bus.port import BusDownError
from shared.credentials import CredentialError
from shared.log import log
from shared.message import Message
from shared.messages import SegmentsListed, SnmpTarget
from shared.quiet import QuietHours, quiet_from
from shared.scope import Scope

PAUSE_S = 10.0  # between two listings
_QUIET_LOOK_S = 60.0
_LONGEST_S = 300.0  # of one listing: several credentials, and names that are resolved
_MOST_LOGGED = 20  # refusals of one scope

List = Callable[[Scope, Sequence[str]], Awaitable[SegmentsListed]]


class Lister:
    """Lists the segments under the scope of that moment, and publishes them."""

    def __init__(
        self,
        roster: Roster,
        publish: Callable[[Message], Awaitable[None]],
        list_segments: List,
        now: Callable[[], datetime],
        quiet_hours: Sequence[QuietHours] = (),
    ) -> None:
        self._roster = roster
        self._publish = publish
        self._list = list_segments
        self._now = now
        self._quiet_hours = quiet_hours
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """A list soon, where `run` is running; in quiet hours after them."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            if not self._seconds_left():
                await asyncio.sleep(_QUIET_LOOK_S)
                continue
            self._wanted.clear()
            await self.list_once()
            await asyncio.sleep(PAUSE_S)

    async def list_once(self) -> SegmentsListed | None:
        """None where it failed, which is logged, or in quiet hours."""
        left_s = self._seconds_left()
        if not left_s:
            return None
        try:
            async with asyncio.timeout(left_s):
                scope = self._roster.scope() or NO_SCOPE
                listed = await self._list(scope, self._known())
                _log(listed, scope)
                await self._publish_surely(listed)
        except TimeoutError:
            if left_s < _LONGEST_S:
                self.want()
            log.error("segments not listed", reason=f"not done in {left_s:.0f} s")
        except (CredentialError, RosterError, OSError) as error:
            log.error("segments not listed", reason=str(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, rounds go on)
            log.error("segments not listed", fault=repr(error)[:500])
        else:
            return listed
        return None

    async def _publish_surely(self, listed: SegmentsListed) -> None:
        while True:
            try:
                return await self._publish(listed)
            except BusDownError as error:
                log.warning("bus down", message=listed.routing_key, reason=str(error))
                await asyncio.sleep(PAUSE_S)

    def _known(self) -> list[str]:
        targets = [one.target for one in self._roster.known()]
        return [target.snmp for target in targets if isinstance(target, SnmpTarget)]

    def _seconds_left(self) -> float:
        """That a list may take; 0 in quiet hours."""
        now = self._now()
        quiet = quiet_from(self._quiet_hours, now)
        return _LONGEST_S if quiet is None else min(_LONGEST_S, (quiet - now).total_seconds())


def _log(listed: SegmentsListed, scope: Scope) -> None:
    for one in listed.refused[:_MOST_LOGGED]:
        log.warning(
            "scope refused",
            version=scope.version,
            author=scope.author,
            target=one.target,
            reason=one.reason,
        )
    log.info(
        "segments listed",
        segments=len(listed.segments),
        refused=len(listed.refused),
        scope=listed.scope_version,
        packets=listed.packets,
        bytes=listed.bytes,
        notes=listed.notes,
    )
