"""A corrected reading says so, and by which profile."""

from __future__ import annotations

from services.reporter.period import month
from services.reporter.volume import device_volume
from shared.store.reports import StoredRead
from tests.unit.reporter.reads import at, read

OCTOBER = month("2026-10", "Asia/Tokyo")
CORRECTED = {"corrected_at": at("2026-11-21T20:00"), "profile": "kyocera@2"}


def notes(*reads: StoredRead) -> tuple[str, ...]:
    return device_volume(reads, OCTOBER, at("2026-11-22T00:00")).notes


def test_both_readings_say_that_they_were_corrected_on_the_customers_day() -> None:
    assert notes(
        read("2026-09-30T08:00", {"total": 10}, **CORRECTED),
        read("2026-10-31T08:00", {"total": 20}, **CORRECTED),
    ) == (
        "previous reading corrected on 2026-11-22: profile kyocera@2",
        "current reading corrected on 2026-11-22: profile kyocera@2",
    )


def test_the_only_reading_says_it_once() -> None:
    said = notes(read("2026-10-30T08:00", {"total": 10}, **CORRECTED))

    assert [note for note in said if "corrected" in note] == [
        "current reading corrected on 2026-11-22: profile kyocera@2"
    ]


def test_a_reading_without_meters_says_it_too() -> None:
    opening = read("2026-09-30T08:00", {"total": 10})

    assert notes(opening, read("2026-10-31T08:00", {}, **CORRECTED))[-1] == (
        "current reading corrected on 2026-11-22: profile kyocera@2"
    )
    assert notes(read("2026-09-30T08:00", {"total": 10}, **CORRECTED))[-1] == (
        "previous reading corrected on 2026-11-22: profile kyocera@2"
    )
