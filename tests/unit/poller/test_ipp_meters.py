"""IPP's counters: what is a meter, and what is left out rather than guessed."""

from __future__ import annotations

from typing import Any

import pytest

from services.poller.decode import Meters
from services.poller.ipp_meters import counter_values, ipp_meters, native_counts
from shared.ipp.wire import answer_of
from tests.unit.poller.ipp_answers import (
    NO_VALUE,
    UNKNOWN,
    Tagged,
    answer,
    collection,
    enum,
    integer,
    text,
)

TOTAL = "printer-impressions-completed"
COL = "printer-impressions-completed-col"
SHEETS = "printer-media-sheets-completed"
PAGES = "printer-pages-completed"


def meters(
    total: Tagged | list[Tagged] | None = None, *, is_queue: bool = False, **others: Any
) -> tuple[Meters, str | None]:
    """`col`, `sheets` and `pages` beside the total."""
    names = {"col": COL, "sheets": SHEETS, "pages": PAGES}
    said = {names[name]: value for name, value in others.items()}
    if total is not None:
        said[TOTAL] = total
    values = counter_values(next(iter(answer_of(answer(said)).printers), {}))
    return ipp_meters(values, is_queue=is_queue)


def test_a_colour_printer_has_total_mono_color_and_sheets() -> None:
    read, why_none = meters(
        integer(48213), col=collection(monochrome=40000, full_color=8213), sheets=integer(30100)
    )

    assert read.counts == {"total": 48213, "sheets": 30100, "mono": 40000, "color": 8213}
    assert read.sources == {
        "total": [TOTAL],
        "sheets": [SHEETS],
        "mono": [f"{COL}/monochrome"],
        "color": [f"{COL}/full-color"],
    }
    assert (read.notes, why_none) == ([], None)


@pytest.mark.parametrize(
    ("total", "why"),
    [
        (None, f"it does not report {TOTAL}"),
        (UNKNOWN, f"{TOTAL} is unknown"),
        (NO_VALUE, f"{TOTAL} is no-value"),
        (integer(-1), f"{TOTAL} is -1, which is not metered"),
        (integer(-2), f"{TOTAL} is -2, which is not metered"),
        (enum(7), f"{TOTAL} is 7, which is not metered"),
        (text("48213"), f"{TOTAL} is b'48213', which is not metered"),
        ((0x21, b"\x07"), f"{TOTAL} is b'\\x07', which is not metered"),
        ([integer(1), integer(2)], f"{TOTAL} is several-values"),
        (collection(monochrome=5), f"{TOTAL} is "),
    ],
)
def test_what_is_not_counted_is_no_meter_and_never_0(total: Tagged | None, why: str) -> None:
    read, why_none = meters(total)

    assert read.counts == {}
    assert (why_none or "").startswith(f"no total: {why}")


def test_a_printer_that_has_printed_nothing_has_counted_0() -> None:
    assert meters(integer(0), col=collection(monochrome=0, full_color=0))[0].counts == {
        "total": 0,
        "mono": 0,
        "color": 0,
    }


def test_pages_of_documents_are_no_meter() -> None:
    read, why_none = meters(pages=integer(700))

    assert (read.counts, why_none) == ({}, f"no total: it does not report {TOTAL}")


@pytest.mark.parametrize(
    ("total", "members", "mono", "color"),
    [
        # sides of two-sided sheets beside those of one-sided ones, as the standard says
        (100, {"monochrome": 30, "monochrome_two_sided": 40, "full_color": 30}, 70, 30),
        # the first member counts both
        (100, {"monochrome": 70, "monochrome_two_sided": 40, "full_color": 30}, 70, 30),
        (100, {"monochrome": 60, "full_color": 30, "blank": 10}, 60, 30),
        (90, {"monochrome": 60, "full_color": 30, "blank": 10}, 60, 30),
        (100, {"monochrome": 100}, 100, None),
        (100, {"monochrome": 60, "full_color": 30, "highlight_color": 10}, 60, None),
        (100, {"monochrome": 70, "full_color": 30, "highlight_color": 0}, 70, 30),
    ],
)
def test_the_total_tells_how_the_collection_is_to_be_read(
    total: int, members: dict[str, int], mono: int | None, color: int | None
) -> None:
    counts = meters(integer(total), col=collection(**members))[0].counts

    assert (counts["total"], counts.get("mono"), counts.get("color")) == (total, mono, color)


@pytest.mark.parametrize(
    "members",
    [
        {"monochrome": 60, "full_color": 30},  # ten are nobody's
        {"monochrome": 60},
        {"full_color": 60},
        {"monochrome": 90, "full_color": 30},
        {"monochrome": 70, "full_color": UNKNOWN},
        {"monochrome": 100, "full_color": -1},
        {"monochrome": 100, "monochrome_two_sided": UNKNOWN},
        # either way adds up, to another mono
        {"monochrome": 70, "monochrome_two_sided": 20, "full_color": 10, "blank": 20},
    ],
)
def test_a_collection_that_does_not_add_up_gives_no_mono_and_no_color(
    members: dict[str, Any],
) -> None:
    read, _ = meters(integer(100), col=collection(**members))

    assert read.counts == {"total": 100}
    [note] = read.notes
    assert note.startswith("left out mono and color: ")


def test_without_a_total_mono_and_color_are_read_and_not_summed() -> None:
    read, _ = meters(col=collection(monochrome=70, full_color=30))

    assert read.counts == {"mono": 70, "color": 30}
    assert read.notes == [f"no total: it does not report {TOTAL}"]


@pytest.mark.parametrize(
    "members",
    [
        {"monochrome": 70},
        {"full_color": 70},
        {"monochrome": 70, "full_color": 30, "monochrome_two_sided": 40},
        {"monochrome_two_sided": 70, "full_color_two_sided": 30},
    ],
)
def test_without_a_total_a_collection_that_may_be_partial_is_left_out(
    members: dict[str, int],
) -> None:
    assert meters(col=collection(**members))[0].counts == {}


def test_one_total_that_is_no_number_does_not_stand_for_any() -> None:
    read, _ = meters(UNKNOWN, col=collection(monochrome=70, full_color=30))

    assert read.counts == {"mono": 70, "color": 30}


def test_the_counters_of_a_print_queue_are_no_meters() -> None:
    read, why_none = meters(integer(48213), sheets=integer(3), is_queue=True)

    assert read.counts == {}
    assert "print queue of CUPS" in (why_none or "")


def test_members_and_pages_are_kept_under_names_of_their_own() -> None:
    said = {COL: collection(monochrome_two_sided=4, full_color=UNKNOWN), PAGES: integer(9)}
    values = counter_values(next(iter(answer_of(answer(said)).printers), {}))

    assert native_counts(values) == {"pages": 9, "impressions_monochrome_two_sided": 4}
