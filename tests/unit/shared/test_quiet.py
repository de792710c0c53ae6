"""Quiet hours, in the local time of the box."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.quiet import quiet_from, quiet_hours_of


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        (at(20, 59), at(21)),  # 21:59 in Berlin
        (at(21), at(21)),
        (at(3, 59), at(3, 59)),
        (at(4), at(21)),
        (at(4, day=29), at(20, day=29)),  # summer time began in that night
    ],
)
def test_hours_over_midnight_are_the_box_s_own(now: datetime, quiet: datetime) -> None:
    assert quiet_from([quiet_hours_of("22:00-05:00")], now) == quiet


def test_of_several_the_next_counts_and_without_any_it_is_never_quiet() -> None:
    hours = [quiet_hours_of("22:00-05:00"), quiet_hours_of("12:00 - 13:30")]

    assert quiet_from(hours, at(10, 30)) == at(11)
    assert quiet_from([], at(10)) is None


@pytest.mark.parametrize("text", ["", "22:00", "22-05:61", "at night", "22:00-25:00"])
def test_what_is_no_span_of_hours_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not of the form 22:00-05:00"):
        quiet_hours_of(text)
