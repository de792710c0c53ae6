"""The days that a report covers, in the customer's own time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_YEARS = range(1990, 2200)


class PeriodError(ValueError):
    """What was asked for is no period; the text says what was typed and how to write it."""


@dataclass(frozen=True)
class Period:
    """The days from `first` to `last`, both included, as they begin and end in `zone`."""

    first: date
    last: date
    zone: str  # an IANA name, "Europe/Berlin"

    def __post_init__(self) -> None:
        _zone(self.zone)
        if self.first.year not in _YEARS or self.last.year not in _YEARS:
            raise PeriodError(f"{self.first} to {self.last}: no year between 1990 and 2199")
        if self.last < self.first:
            raise PeriodError(f"{self.first} to {self.last}: ends before it begins")

    @property
    def start(self) -> datetime:
        """The first instant, in UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The instant after the last day, in UTC: the next period's start."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    @property
    def name(self) -> str:
        """ "2026-10" where it is one whole month, else "2026-10-01 to 2026-10-15"."""
        whole = self.first.day == 1 and self.last == _last_day(self.first)
        return f"{self.first:%Y-%m}" if whole else f"{self.first} to {self.last}"

    def local(self, instant: datetime) -> datetime:
        """What a clock on the customer's wall shows at `instant`, without a zone; that of UTC,
        where it would leave the years 1 to 9999."""
        try:
            return instant.astimezone(_zone(self.zone)).replace(tzinfo=None)
        except OverflowError:
            return instant.replace(tzinfo=None)

    def clock(self, instant: datetime) -> str:
        return f"{self.local(instant):%Y-%m-%d %H:%M}"


def month(text: str, zone: str) -> Period:
    """The whole month that `text` names. Raises: PeriodError."""
    match = _MONTH.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12 or int(match[1]) not in _YEARS:
        raise PeriodError(f"{text[:40]!r} is no month; write it like 2026-10")
    first = date(int(match[1]), int(match[2]), 1)
    return Period(first, _last_day(first), zone)


def days(first: str, last: str, zone: str) -> Period:
    """From one day to another, both included. Raises: PeriodError."""
    return Period(_day(first), _day(last), zone)


def between(start: datetime, end: datetime, zone: str) -> Period:
    """The period that begins and ends at these instants. Raises: PeriodError."""
    last = (end - timedelta(seconds=1)).astimezone(_zone(zone)).date()
    return Period(start.astimezone(_zone(zone)).date(), last, zone)


def month_of(instant: datetime, zone: str) -> Period:
    """The month that `instant` lies in. Raises: PeriodError, where the zone is unknown."""
    first = instant.astimezone(_zone(zone)).date().replace(day=1)
    return Period(first, _last_day(first), zone)


def month_before(instant: datetime, zone: str) -> Period:
    """The last month that was over at `instant`. Raises: PeriodError."""
    last = instant.astimezone(_zone(zone)).date().replace(day=1) - timedelta(days=1)
    return Period(last.replace(day=1), last, zone)


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  (a day has no zone yet)
    except ValueError:
        raise PeriodError(f"{text[:40]!r} is no day; write it like 2026-10-15") from None


def _last_day(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _midnight(day: date, zone: str) -> datetime:
    """The first instant of a day: where clocks skip midnight, the instant at which they do."""
    return datetime.combine(day, time(), _zone(zone)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PeriodError(f"{name[:60]!r} is no time zone; write it like Europe/Berlin") from None
