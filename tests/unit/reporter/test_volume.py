"""A volume is the difference of two accepted reads, or no number at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reporter.period import month
from services.reporter.volume import Volume, device_volume, source_changes
from shared.store.reports import StoredRead
from tests.unit.reporter.reads import at, read

OCTOBER = month("2026-10", "UTC")
MADE_AT = at("2026-11-01T06:00")


def volume(*reads: StoredRead, **other: object) -> Volume:
    return device_volume(reads, OCTOBER, MADE_AT, **other)  # type: ignore[arg-type]


def test_a_volume_is_the_last_read_of_the_period_less_the_last_read_before_it() -> None:
    told = volume(
        read("2026-09-29T08:00", {"total": 900}),
        read("2026-09-30T20:00", {"total": 1000, "color": 10}),
        read("2026-10-15T08:00", {"total": 1500, "color": 10}),
        read("2026-10-31T20:00", {"total": 2000, "color": 30}),
        read("2026-11-01T02:00", {"total": 2050, "color": 30}),
    )

    assert told.status == "ok"
    assert told.pages == {"total": 1000, "color": 20}
    assert told.notes == ()


def test_a_read_at_the_very_border_closes_one_month_and_opens_the_next() -> None:
    border = read("2026-11-01T00:00", {"total": 150})
    before, after = (
        read("2026-10-01T00:00", {"total": 100}),
        read("2026-11-30T00:00", {"total": 180}),
    )

    assert volume(before, border, after).pages == {"total": 50}
    november = device_volume(
        [before, border, after], month("2026-11", "UTC"), at("2026-12-01T00:00")
    )
    assert november.pages == {"total": 30}


def test_a_device_that_printed_nothing_has_a_volume_of_0() -> None:
    told = volume(read("2026-09-30T20:00", {"total": 7}), read("2026-10-31T20:00", {"total": 7}))

    assert told.pages == {"total": 0}


def test_a_new_device_counts_from_its_first_read_and_says_so() -> None:
    told = volume(read("2026-10-12T08:00", {"total": 40}), read("2026-10-31T20:00", {"total": 100}))

    assert (told.status, told.pages) == ("new", {"total": 60})
    assert "first read on 2026-10-12 08:00" in told.notes[0]


def test_one_reading_alone_is_no_volume() -> None:
    told = volume(read("2026-10-30T08:00", {"total": 40}))

    assert (told.status, told.pages) == ("new", {})
    assert "one reading only" in told.notes[1]


def test_a_device_that_was_not_read_in_the_period_is_missing_and_not_at_0() -> None:
    told = volume(read("2026-09-20T08:00", {"total": 40}))

    assert (told.status, told.pages, told.closing) == ("missing", {}, None)
    assert told.opening is not None
    assert told.notes == ("no reading in this period; unread since 2026-09-20 08:00",)


def test_a_device_without_any_read_is_missing() -> None:
    assert volume().status == "missing"


def test_a_closing_read_of_more_than_seven_days_is_stale() -> None:
    opening = read("2026-09-30T20:00", {"total": 40})

    assert volume(opening, read("2026-10-24T23:59", {"total": 50})).status == "stale"
    assert volume(opening, read("2026-10-25T00:00", {"total": 50})).status == "ok"


def test_pages_from_long_before_the_period_are_said_to_be_in_it() -> None:
    told = volume(read("2026-08-31T20:00", {"total": 7}), read("2026-10-31T20:00", {"total": 900}))

    assert (told.status, told.pages) == ("ok", {"total": 893})
    assert told.notes == ("previous reading on 2026-08-31 20:00; all pages since then are in it",)


def test_while_the_period_runs_age_is_counted_from_now() -> None:
    reads = [read("2026-09-30T20:00", {"total": 40}), read("2026-10-03T08:00", {"total": 50})]

    assert device_volume(reads, OCTOBER, at("2026-10-03T09:00")).status == "ok"


def test_a_fall_between_the_two_reads_leaves_the_volume_blank() -> None:
    """The glitch that bills 100,000 pages elsewhere: 100000, 0, 100150."""
    told = volume(
        read("2026-09-30T20:00", {"total": 100000, "scan": 5}),
        read("2026-10-10T20:00", {"total": 0, "scan": 6}),
        read("2026-10-31T20:00", {"total": 100150, "scan": 9}),
    )

    assert (told.status, told.pages) == ("counter event", {"scan": 4})
    assert told.notes == ("total fell from 100000 to 0 on 2026-10-10 20:00",)


def test_an_opening_read_that_is_the_glitch_itself_is_not_billed_from() -> None:
    told = volume(
        read("2026-09-29T20:00", {"total": 100000}),
        read("2026-09-30T20:00", {"total": 0}),
        read("2026-10-31T20:00", {"total": 100150}),
    )

    assert (told.status, told.pages) == ("counter event", {})


def test_a_new_unit_basis_or_profile_leaves_the_volume_blank() -> None:
    opening = read("2026-09-30T20:00", {"total": 40})
    closing = read("2026-10-31T20:00", {"total": 50})

    for other in (
        replace(closing, units={"total": "sheets"}),
        replace(closing, basis="equivalent"),
        replace(closing, basis=None),
        replace(closing, large_counts=2),
        replace(closing, profile="kyocera@1"),
    ):
        told = volume(opening, other)
        assert (told.status, told.pages) == ("changed", {})
        assert "changed from" in told.notes[0]


def test_a_change_that_was_there_for_one_read_only_leaves_the_volume_blank() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 40}),
        read("2026-10-10T20:00", {"total": 45}, profile="kyocera@1"),
        read("2026-10-31T20:00", {"total": 50}),
    )

    assert (told.status, told.pages) == ("changed", {})


def test_a_new_version_of_the_profile_needs_the_same_oids() -> None:
    opening = read("2026-09-30T20:00", {"total": 40, "color": 1})
    closing = read("2026-10-31T20:00", {"total": 50, "color": 2}, profile="rfc3805@2")
    sources = {
        opening.id: {"total": ["1.3.6.1"], "color": ["1.3.6.2"]},
        closing.id: {"total": ["1.3.6.1"], "color": ["1.3.6.3"]},
    }

    assert source_changes([closing, opening]) == [opening, closing]
    assert volume(opening, closing).pages == {}
    assert volume(opening, closing, sources=sources).pages == {"total": 10}


def test_a_meter_that_came_from_another_row_of_the_device_leaves_the_volume_blank() -> None:
    """Where a device refuses a row, a meter may come from the next that its profile names."""
    opening = read("2026-09-30T20:00", {"total": 40, "scan": 100}, sources_id=UUID(int=1))
    closing = read("2026-10-31T20:00", {"total": 50, "scan": 170}, sources_id=UUID(int=2))
    sources = {
        opening.id: {"total": ["1.3.6.1"], "scan": ["1.3.6.2"]},
        closing.id: {"total": ["1.3.6.1"], "scan": ["1.3.6.3", "1.3.6.4"]},
    }

    assert source_changes([closing, opening]) == [opening, closing]
    told = volume(opening, closing, sources=sources)
    assert (told.status, told.pages) == ("changed", {"total": 10})
    assert told.notes == ("scan: comes from other rows of the device than before",)


def test_a_meter_that_came_or_went_is_blank_and_said() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 40, "color": 5}),
        read("2026-10-31T20:00", {"total": 50, "fax": 1}),
    )

    assert (told.status, told.pages) == ("changed", {"total": 10})
    assert told.notes == (
        "color is not in the current reading",
        "fax is not in the previous reading",
    )


def test_no_meter_is_made_from_others() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 40, "mono": 30}),
        read("2026-10-31T20:00", {"total": 50, "mono": 35}),
    )

    assert told.pages == {"total": 10, "mono": 5}


def test_a_last_read_without_meters_does_not_take_the_bill_along() -> None:
    told = volume(
        read("2026-09-30T20:00", {"total": 40}),
        read("2026-10-31T08:00", {"total": 50}),
        read("2026-10-31T20:00", no_meters_because="the counter table was empty"),
    )

    assert told.pages == {"total": 10}
    assert "the counter table was empty" in told.notes[0]


def test_a_device_that_never_reports_meters_says_why() -> None:
    told = volume(read("2026-10-31T20:00", no_meters_because="no counter row"))

    assert (told.status, told.pages, told.notes) == ("no meters", {}, ("no counter row",))
    assert told.closing is not None


_GLITCHED = st.lists(
    st.tuples(
        st.integers(0, 60 * 24),  # hours after 15 September
        st.one_of(
            st.integers(0, 50).map(lambda step: ("on", step)),
            st.sampled_from([0, 1, 10**6, 10**9]).map(lambda value: ("to", value)),
            st.just(("gone", 0)),
        ),
    ),
    max_size=25,
    unique_by=lambda pair: pair[0],
)


@given(_GLITCHED)
@settings(max_examples=300, deadline=None)
def test_no_series_of_reads_gives_another_number_than_the_difference_of_two_of_them(
    steps: list[tuple[int, tuple[str, int]]],
) -> None:
    start, count, reads = at("2026-09-15T00:00"), 5000, []
    for hours, (kind, value) in sorted(steps):
        count = count + value if kind == "on" else count
        shown = {"on": count, "to": value, "gone": None}[kind]
        taken = (start + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
        meters = {"scan": 1} if shown is None else {"scan": 1, "total": shown}
        reads.append(read(taken, meters))

    told = volume(*reads)

    if "total" in told.pages:
        assert told.opening is not None
        assert told.closing is not None
        first, last = told.opening.meters["total"], told.closing.meters["total"]
        assert told.pages["total"] == last - first
        between = [
            one.meters["total"]
            for one in sorted(reads, key=lambda one: one.billed_at)
            if told.opening.billed_at <= one.billed_at <= told.closing.billed_at
            and "total" in one.meters
        ]
        assert all(earlier <= later for earlier, later in pairwise(between))
        assert told.closing.billed_at > OCTOBER.start
        assert told.closing.billed_at <= OCTOBER.end
