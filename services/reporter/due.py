"""Which reports are due: schedules against the clock. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from services.reporter.period import Period, PeriodError, month_before
from shared.store.reports import Customer, Schedule

# after a long sleep each month is made once; further back nobody waits for one
_MAX_PERIODS = 12
_MAX_RUNS = 10_000


@dataclass(frozen=True)
class Due:
    """A report to be made. `occasion` is the same whenever it is worked out again."""

    customer: Customer
    period: Period
    occasion: str


class ScheduleError(ValueError):
    """A schedule that cannot be read; the text says which and why."""


def due_reports(schedule: Schedule, now: datetime) -> list[Due]:
    """What `schedule` asked for since it was last kept, oldest first.

    A report covers the month before it was due. Of runs that were missed and cover the same
    month, only the latest is made.

    Raises: ScheduleError.
    """
    customer = schedule.customer
    runs: dict[Period, Due] = {}
    try:
        # one second on, so that a run at this very second is among them
        clock = datetime.fromtimestamp(int(now.timestamp()) + 1, ZoneInfo(customer.zone))
        for instant in islice(CronSim(schedule.cron, clock, reverse=True), _MAX_RUNS):
            if instant <= schedule.since or len(runs) == _MAX_PERIODS:
                break
            period = month_before(instant, customer.zone)
            occasion = f"schedule {schedule.id} due {instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            runs.setdefault(period, Due(customer, period, occasion))
    except (CronSimError, PeriodError, KeyError, ValueError, OSError) as error:
        raise ScheduleError(
            f"{customer.name}: the schedule {schedule.cron!r} in {customer.zone!r}"
            f" cannot be read ({error})"
        ) from None
    return list(reversed(runs.values()))


def all_due(schedules: Iterable[Schedule], now: datetime) -> tuple[list[Due], list[str]]:
    """What all schedules ask for, and one line for each that cannot be read."""
    due: list[Due] = []
    faults: list[str] = []
    for schedule in schedules:
        try:
            due += due_reports(schedule, now)
        except ScheduleError as error:
            faults.append(str(error))
    return due, faults
