"""Volumes of devices whose meters somebody entered."""

from __future__ import annotations

from services.reporter.period import month
from services.reporter.volume import Volume, device_volume, source_changes
from shared.store.reports import StoredRead
from tests.unit.reporter.reads import at, read

OCTOBER = month("2026-10", "UTC")


def volume(*reads: StoredRead) -> Volume:
    return device_volume(reads, OCTOBER, at("2026-11-01T06:00"))


def entered(taken_at: str, total: int, **other: object) -> StoredRead:
    fields = {"profile": "entered@1", "basis": None, "entered_by": "Dana"}
    return read(taken_at, {"total": total}, **fields | other)


def test_an_entry_opens_and_closes_a_period_as_a_read_does() -> None:
    told = volume(
        entered("2026-09-30T20:00", 1000),
        read("2026-10-15T20:00", {"total": 1400}, large_counts=1),
        entered("2026-10-31T20:00", 1500),
    )

    assert (told.status, told.pages) == ("ok", {"total": 500})
    assert told.notes == (
        "previous reading entered by hand by Dana",
        "current reading entered by hand by Dana",
    )


def test_an_entry_between_two_reads_hides_no_change_of_what_they_count() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 1000}),
        entered("2026-10-15T20:00", 1200),
        read("2026-10-31T20:00", {"total": 1500}, profile="kyocera@1"),
    )

    assert (told.status, told.pages) == ("changed", {})
    assert told.notes == ("total: profile changed from rfc3805 to kyocera",)


def test_an_entry_that_is_too_high_shows_as_a_fall() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 1000}),
        entered("2026-10-15T20:00", 15000),
        read("2026-10-31T20:00", {"total": 1500}),
    )

    assert (told.status, told.pages) == ("counter event", {})
    assert "fell from 15000 (entered by hand by Dana) to 1500" in told.notes[0]


def test_a_count_below_the_opening_entry_is_a_fall_whatever_the_device_counted_before_it() -> None:
    told = volume(
        read("2026-09-28T20:00", {"total": 100}),
        entered("2026-09-30T20:00", 150),
        read("2026-10-31T20:00", {"total": 90}, profile="kyocera@1"),
    )

    assert (told.status, told.pages) == ("counter event", {})
    assert "fell from 150 (entered by hand by Dana) to 90" in told.notes[0]


def test_an_entry_in_another_unit_than_the_device_counts_bills_nothing() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 1000}, units={"total": "A4 equivalents"}),
        entered("2026-10-31T20:00", 1500),
    )

    assert (told.status, told.pages) == ("changed", {})
    assert told.notes[0] == "total: unit changed from A4 equivalents to impressions"


def test_a_spooler_that_lists_the_device_after_its_meter_was_taken_is_no_news() -> None:
    told = volume(
        entered("2026-09-30T20:00", 1000),
        entered("2026-10-31T18:00", 1500),
        read("2026-10-31T20:00", profile="spooled@1", no_meters_because="it is attached by USB"),
    )

    assert (told.status, told.pages) == ("ok", {"total": 500})
    assert all("entered by hand" in note for note in told.notes)


def test_the_rows_of_the_reads_around_an_entry_are_compared() -> None:
    one, two = (
        read(when, {"total": 1000}, profile=profile)
        for when, profile in (("2026-09-30T20:00", "kyocera@1"), ("2026-10-31T20:00", "kyocera@2"))
    )

    assert source_changes([one, entered("2026-10-15T20:00", 1000), two]) == [one, two]
