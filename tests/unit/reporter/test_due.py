"""Schedules are of the customer's clock, and a missed month is made once."""

from __future__ import annotations

import pytest

from services.reporter.due import Due, ScheduleError, all_due, due_reports
from shared.store.reports import Customer, Schedule
from tests.unit.reporter.reads import at


def due(cron: str, since: str, now: str, zone: str = "UTC") -> list[Due]:
    schedule = Schedule(7, Customer(1, "Acme", zone), cron, at(since))
    return due_reports(schedule, at(now))


def occasions(found: list[Due]) -> list[tuple[str, str]]:
    return [(one.period.name, one.occasion) for one in found]


def test_a_report_is_due_at_its_instant_and_covers_the_month_before() -> None:
    assert due("0 6 1 * *", "2026-10-15T00:00", "2026-11-01T05:59:59") == []
    assert occasions(due("0 6 1 * *", "2026-10-15T00:00", "2026-11-01T06:00:00")) == [
        ("2026-10", "schedule 7 due 2026-11-01T06:00:00Z")
    ]


def test_it_is_not_due_again_once_it_was_made() -> None:
    assert due("0 6 1 * *", "2026-11-01T06:00", "2026-11-30T00:00") == []


def test_the_customers_clock_decides_and_its_summer_time() -> None:
    [winter] = due("0 6 1 * *", "2026-10-31T00:00", "2026-11-01T05:00", "Europe/Berlin")
    [summer] = due("0 6 1 * *", "2026-06-30T00:00", "2026-07-01T04:00", "Europe/Berlin")

    assert winter.occasion == "schedule 7 due 2026-11-01T05:00:00Z"
    assert summer.occasion == "schedule 7 due 2026-07-01T04:00:00Z"


def test_the_month_before_is_the_one_on_the_customers_wall() -> None:
    """06:00 on the 1st in Auckland is still the last month in UTC."""
    [one] = due("0 6 1 * *", "2026-10-15T00:00", "2026-10-31T17:00", "Pacific/Auckland")

    assert one.period.name == "2026-10"


def test_an_hour_that_clocks_skip_or_repeat_is_due_once() -> None:
    skipped = due("30 2 29 3 *", "2026-03-28T00:00", "2026-03-30T00:00", "Europe/Berlin")
    twice = due("30 2 25 10 *", "2026-10-24T00:00", "2026-10-26T00:00", "Europe/Berlin")

    assert (len(skipped), len(twice)) == (1, 1)
    again = Schedule(7, skipped[0].customer, "30 2 29 3 *", at(skipped[0].occasion[-20:-1]))
    assert due_reports(again, at("2026-03-30T00:00")) == []


def test_after_a_sleep_each_month_is_made_once_oldest_first() -> None:
    found = due("0 6 * * *", "2026-08-15T00:00", "2026-11-02T07:00")

    assert occasions(found) == [
        ("2026-07", "schedule 7 due 2026-08-31T06:00:00Z"),
        ("2026-08", "schedule 7 due 2026-09-30T06:00:00Z"),
        ("2026-09", "schedule 7 due 2026-10-31T06:00:00Z"),
        ("2026-10", "schedule 7 due 2026-11-02T06:00:00Z"),
    ]


def test_a_sleep_of_years_makes_no_more_than_the_last_twelve_months() -> None:
    found = due("0 6 1 * *", "2001-01-01T00:00", "2026-11-02T07:00")

    assert [one.period.name for one in found][::11] == ["2025-11", "2026-10"]


@pytest.mark.parametrize(
    ("cron", "zone"), [("monthly", "UTC"), ("0 6 31 2 *", "UTC"), ("0 6 1 * *", "Mars/Olympus")]
)
def test_a_schedule_that_cannot_be_read_is_said_and_stops_no_other(cron: str, zone: str) -> None:
    wrong = Schedule(1, Customer(1, "Wrong", zone), cron, at("2026-10-15T00:00"))
    right = Schedule(2, Customer(2, "Right", "UTC"), "0 6 1 * *", at("2026-10-15T00:00"))

    found, faults = all_due([wrong, right], at("2026-11-01T06:00"))

    assert [one.customer.name for one in found] == ["Right"]
    assert len(faults) == 1
    assert "Wrong: the schedule" in faults[0]
    with pytest.raises(ScheduleError):
        due_reports(wrong, at("2026-11-01T06:00"))
