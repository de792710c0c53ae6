"""Which round begins next, by its schedule or because a person asks for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.schedule import RoundKind, Schedule
from shared.scope import Ask

_SET_BACK = timedelta(hours=1)  # an instant served that lies further ahead came of a wrong clock


@dataclass(frozen=True)
class Due:
    """A round that is to begin: `instant` is the cron line's own, without jitter."""

    kind: RoundKind
    instant: datetime
    ask: Ask | None = None


def due_round(
    found: dict[RoundKind, Schedule],
    last: dict[RoundKind, datetime],
    asks: Sequence[Ask],
    asks_done: Collection[UUID],
    now: datetime,
) -> Due | None:
    """What begins now: what a person asked for, then a search, then a read.

    After a long sleep a kind is due once, for the newest instant that was missed. `last` is
    each kind's instant that was served; one that lies in the future says nothing, for the clock
    was set back since, by years where a box began without one.
    """
    for ask in asks:
        if ask.id not in asks_done and now <= ask.until:
            return Due(ask.kind, now, ask)
    for kind, one in found.items():
        instant = one.last(now)
        was_set_back = last[kind] > now - one.shift + _SET_BACK
        if instant and (instant > last[kind] or was_set_back):
            return Due(kind, instant)
    return None


def next_begin(found: dict[RoundKind, Schedule], now: datetime) -> datetime | None:
    """When the next scheduled round begins, if nothing is asked before."""
    begins = (one.begins_after(now) for one in found.values())
    return min((begin for begin in begins if begin), default=None)
