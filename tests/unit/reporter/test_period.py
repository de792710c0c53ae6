"""Periods begin and end at midnight on the customer's wall."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.reporter.period import PeriodError, days, month, month_before, month_of
from tests.unit.reporter.reads import at


def test_a_month_begins_and_ends_at_the_customers_midnight() -> None:
    period = month("2026-10", "Europe/Berlin")

    assert period.start == at("2026-09-30T22:00")
    assert period.end == at("2026-10-31T23:00")  # summer time ended on the 25th
    assert period.name == "2026-10"


def test_one_month_ends_where_the_next_begins() -> None:
    assert month("2026-12", "Asia/Tokyo").end == month("2027-01", "Asia/Tokyo").start


def test_a_midnight_that_clocks_skip_is_the_instant_at_which_they_do() -> None:
    """Beirut's clocks went from Saturday 23:59 to Sunday 01:00."""
    period = days("2022-03-27", "2022-03-27", "Asia/Beirut")

    assert period.start == at("2022-03-26T22:00")
    assert period.end - period.start == timedelta(hours=23)


def test_a_midnight_that_comes_twice_is_the_first_one() -> None:
    period = days("2022-11-06", "2022-11-06", "America/Havana")

    assert period.end - period.start == timedelta(hours=25)


def test_free_days_have_both_in_their_name_and_both_in_the_period() -> None:
    period = days("2026-10-01", "2026-10-15", "UTC")

    assert period.name == "2026-10-01 to 2026-10-15"
    assert (period.start, period.end) == (at("2026-10-01T00:00"), at("2026-10-16T00:00"))


def test_a_month_written_as_days_is_that_month() -> None:
    assert days("2028-02-01", "2028-02-29", "UTC") == month("2028-02", "UTC")
    assert days("2028-02-01", "2028-02-29", "UTC").name == "2028-02"


def test_the_month_of_an_instant_is_the_one_on_the_customers_wall() -> None:
    instant = at("2026-10-31T23:30")

    assert month_of(instant, "UTC").name == "2026-10"
    assert month_of(instant, "Europe/Berlin").name == "2026-11"
    assert month_before(instant, "UTC").name == "2026-09"
    assert month_before(instant, "Europe/Berlin").name == "2026-10"
    assert month_before(at("2026-01-01T00:00"), "UTC").name == "2025-12"


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "0000-01", "9999-12", "2026", "", "２026-1x"]
)
def test_what_is_no_month_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(PeriodError, match="write it like 2026-10"):
        month(text, "UTC")


@pytest.mark.parametrize(
    ("first", "last"), [("2026-10-15", "2026-10-14"), ("2026-02-30", "2026-03-01"), ("x", "y")]
)
def test_days_that_are_none_are_refused(first: str, last: str) -> None:
    with pytest.raises(PeriodError):
        days(first, last, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(PeriodError, match="time zone"):
        month("2026-10", zone)
