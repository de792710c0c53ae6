"""Quiet hours: when a site wants no device asked, in the box's local time; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import NamedTuple


class QuietHours(NamedTuple):
    """Every day from `begin` to `end`, over midnight where that comes first."""

    begin: time
    end: time


def quiet_hours_of(text: str) -> QuietHours:
    """`22:00-05:00`. Raises: ValueError."""
    begin, _, end = text.partition("-")
    try:
        return QuietHours(*(time.fromisoformat(one.strip()) for one in (begin, end)))
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not of the form 22:00-05:00") from None


def quiet_from(hours: Iterable[QuietHours], now: datetime) -> datetime | None:
    """When it is quiet next: `now` where it is so already; None where it never is."""
    today = now.astimezone().date()
    begins = []
    for begin, end in hours:
        for day in (today + timedelta(days=shift) for shift in (-1, 0, 1)):
            ends_on = day if end > begin else day + timedelta(days=1)
            # local wall-clock time, whatever summer time makes of it that day
            first = datetime.combine(day, begin).astimezone()
            last = datetime.combine(ends_on, end).astimezone()
            if now < last:
                begins.append(max(first, now))
    return min(begins, default=None)
