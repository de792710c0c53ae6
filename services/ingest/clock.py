"""How far a site's clock was off, and when a read was taken by the hub's clock. Pure.

The hub has heard the site's clock at each contact. A read goes by the contact whose site's clock
showed the instant nearest to the read's, of those by which the read lies where its number says
that it must: numbers are given as messages are spooled, so each contact tells which messages were
spooled by then. That tells apart the two times at which a clock that was set back showed one hour.
Where the uploader says how long ago it spooled a message, that is the best contact of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

_BY_THE_WAY_S = 2.0  # so much the way to the hub takes: no clock is called wrong for less
_LONGEST_DELAY_S = 60.0  # so long a request may be held up, and no clock was set meanwhile
_TO_THE_SPOOL_S = 300.0  # so long a read may be on its way to the spool
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # a clock that shows less was never set


class Contact(NamedTuple):
    """What the site's clock showed at an instant of the hub's.

    `last` is the highest number that the spool had given by then; None: of another spool.
    """

    site_at: datetime
    hub_at: datetime
    last: int | None = None

    @property
    def offset_s(self) -> float:
        """What must be added to the site's time to have the hub's; 0 where they agree."""
        return _counted((self.hub_at - self.site_at).total_seconds())


def usable(instant: datetime) -> datetime | None:
    """In UTC; None, where that is outside the years 1 to 9999."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


class _Heard(NamedTuple):
    """A contact, in seconds from the batch's arrival."""

    site_s: float
    offset_s: float
    hub_s: float
    last: int | None


@dataclass(frozen=True)
class Clocks:
    """What is known of a site's clock as a batch arrives: its contacts in the order of their
    arrival, the batch's own among them."""

    arrived_at: datetime
    contacts: Sequence[Contact]

    def offset_s(
        self, instant: datetime, n: int, stored_at: datetime | None, age_s: float | None
    ) -> float:
        """What must be added to an instant of the site's clock to have it by the hub's.

        Where no contact can be meant, for the instant would lie in the future or before 2000, it
        is the latest at which a message of this number can have been made.

        Args:
            n: the message's number.
            stored_at: when it was spooled, by the site's clock.
            age_s: how long before the batch's arrival that was; up to 10 years.
        """
        site_s = self._from_arrival(instant)
        after_s, before_s = self._spooled_between(n)
        own = None
        if stored_at is not None and age_s is not None:
            stored_s = self._from_arrival(stored_at)
            own = _Heard(stored_s, _counted(-age_s - stored_s), -age_s, n)
            before_s = min(before_s, -age_s)
        least_s, latest_s = self._least_s, before_s + _BY_THE_WAY_S
        only_s = self._only_offset_s
        if (
            only_s is not None
            and least_s <= site_s + only_s <= latest_s
            and (own is None or abs(own.offset_s - only_s) <= _BY_THE_WAY_S)
        ):
            return only_s
        possible = [
            each
            for each in ([own] if own else []) + self._heard
            if least_s <= site_s + each.offset_s <= latest_s
        ]
        if own and own in possible and abs(own.site_s - site_s) <= _TO_THE_SPOOL_S:
            return self._steady(own.offset_s)
        likely = [each for each in possible if site_s + each.offset_s >= after_s - _TO_THE_SPOOL_S]
        nearest = min(likely or possible, key=lambda each: abs(each.site_s - site_s), default=None)
        return self._steady(nearest.offset_s) if nearest else before_s - site_s

    @cached_property
    def _heard(self) -> list[_Heard]:
        """From the newest."""
        return [
            _Heard(
                *(self._from_arrival(each.site_at), each.offset_s),
                *(self._from_arrival(each.hub_at), each.last),
            )
            for each in reversed(self.contacts)
        ]

    @cached_property
    def _least_s(self) -> float:
        return self._from_arrival(_EARLIEST)

    @cached_property
    def _only_offset_s(self) -> float | None:
        """Where all contacts had one: most clocks are right, or as wrong as they were."""
        steady = {self._steady(each.offset_s) for each in self._heard}
        return steady.pop() if len(steady) == 1 else None

    def _steady(self, offset_s: float) -> float:
        """The offset without what held up the request that told it, as far as another tells that.

        A delay only adds to it. Of those that are alike the first is taken, so that reads of one
        minute keep their order.
        """
        alike = [
            each.offset_s
            for each in reversed(self._heard)
            if abs(each.offset_s - offset_s) <= _LONGEST_DELAY_S
        ]
        least_s = min(alike, default=offset_s)
        return next((each for each in alike if each <= least_s + _BY_THE_WAY_S), offset_s)

    def _spooled_between(self, n: int) -> tuple[float, float]:
        """The contacts between which the message was spooled."""
        after_s, before_s = -math.inf, 0.0
        for hub_s, last in self._numbered:
            if last < n:
                after_s = max(after_s, hub_s)
            else:
                before_s = min(before_s, hub_s)
        return after_s, before_s

    @cached_property
    def _numbered(self) -> list[tuple[float, int]]:
        return [(each.hub_s, each.last) for each in self._heard if each.last is not None]

    def _from_arrival(self, instant: datetime) -> float:
        return (instant - self.arrived_at).total_seconds()


def _counted(offset_s: float) -> float:
    return offset_s if abs(offset_s) > _BY_THE_WAY_S else 0.0


def billed_at(instant: datetime, offset_s: float) -> datetime:
    """An instant of the site's clock by the hub's: what decides which period a read is of.

    One that no offset was told of may leave the years 1 to 9999 by it: it stays as it is.
    """
    try:
        return instant + timedelta(seconds=offset_s) if offset_s else instant
    except OverflowError:
        return instant
