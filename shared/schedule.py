"""When a scope's rounds are due: cron lines in its time zone, with a jitter of the agent's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.scope import Scope

RoundKind = Literal["search", "read"]
_FIELDS = 5  # cronsim takes a sixth, of seconds; no fleet is read every second


class ScheduleError(ValueError):
    """A cron line or a time zone that cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Schedule:
    """A cron line of five fields, its time zone, and how far from it this agent begins."""

    line: str
    zone: ZoneInfo
    shift: timedelta

    def last(self, now: datetime) -> datetime | None:
        """The newest instant of the line that has come."""
        return self._next(now - self.shift, reverse=True)

    def begins_after(self, now: datetime) -> datetime | None:
        """When the next round begins, jitter included."""
        found = self._next(now - self.shift, reverse=False)
        return found + self.shift if found else None

    def _next(self, instant: datetime, *, reverse: bool) -> datetime | None:
        local = instant.astimezone(self.zone)
        if reverse and not local.microsecond:
            local += timedelta(microseconds=1)  # an instant that is just now has come
        try:
            return next(CronSim(self.line, local, reverse=reverse)).astimezone(UTC)
        except StopIteration:  # cronsim looks 50 years far
            return None


def schedule(line: str, zone: str, *, kind: RoundKind, agent: str, jitter_s: float) -> Schedule:
    """Agents spread over ± jitter_s, each always at its own place.

    Raises: ScheduleError.
    """
    try:
        zone_info = ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        raise ScheduleError(f"{zone[:60]!r} is no time zone, such as Europe/Berlin") from None
    try:
        if len(line.split()) != _FIELDS:
            raise CronSimError(f"a cron line has {_FIELDS} fields")
        CronSim(line, datetime.now(zone_info))
    except CronSimError as error:
        raise ScheduleError(f"{line[:60]!r} is no cron line: {error}") from None
    digest = hashlib.sha256(f"{agent} {kind}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**63 - 1
    return Schedule(line, zone_info, timedelta(seconds=round(share * jitter_s)))


def schedules(
    scope: Scope, *, agent: str, jitter_s: float
) -> tuple[dict[RoundKind, Schedule], list[str]]:
    """Of both kinds; a line or zone that cannot be used is named and gives way to the default."""
    found: dict[RoundKind, Schedule] = {}
    faults: list[str] = []
    usual = Scope.model_fields
    lines: dict[RoundKind, tuple[str, str]] = {
        "search": (scope.search_schedule, usual["search_schedule"].default),
        "read": (scope.read_schedule, usual["read_schedule"].default),
    }
    for kind, (line, default) in lines.items():
        try:
            found[kind] = schedule(line, scope.time_zone, kind=kind, agent=agent, jitter_s=jitter_s)
        except ScheduleError as error:
            faults.append(f"{kind} schedule: {error}; {default!r} in UTC stands in for it")
            found[kind] = schedule(default, "UTC", kind=kind, agent=agent, jitter_s=jitter_s)
    return found, faults
