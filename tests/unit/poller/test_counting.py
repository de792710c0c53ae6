"""Rows that are added, native counters, the two channels, and what a device bears."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.poller.mib import MARKER_LIFE_COUNT, MARKER_UNIT, SYS_OBJECT_ID
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from shared.messages import MeterRead
from shared.snmp.port import Manners, Varbind
from tests.unit.poller.reading import by_oid, counter, integer, octets, read_rows, read_session
from tests.unit.poller.test_profile import SMALL, fault, folder
from tests.unit.walks import WalkSession

AT = "1.3.6.1.4.1.32473"
LIFE = f"{MARKER_LIFE_COUNT}.1.1"
NORTHWIND = Varbind(SYS_OBJECT_ID, "ObjectIdentifier", f"{AT}.1")
COPY = "  copy:\n    oid: 1.3.6.1.4.1.32473.1.2.0\n    source: its MIB\n"
BY_JOB_AND_COLOUR = f"""\
  mono:
    column: {AT}.5.7
    where:
      - {{ column: {AT}.5.2, any_of: [1, 2] }}
      - {{ column: {AT}.5.6, equals: 3 }}
    add: true
    source: its MIB
"""
OWN_TOTAL = f"""\
  total:
    - oid: {AT}.9.1.0
      basis: equivalent
      large_counts: 2
      granularity: 10
      rolls_over_after: 999999
      source: its MIB
    - column: {MARKER_LIFE_COUNT}
      source: RFC 3805
  life_count:
    column: {MARKER_LIFE_COUNT}
    source: RFC 3805
basis: life
tolerance: {{ percent: 5, source: two captures }}
"""


def profiles(path: Path, text: str) -> Profiles:
    return Profiles(load_profiles(folder(path, northwind=SMALL + text)))


def by_job(path: Path, *table: tuple[int, int, int]) -> MeterRead:
    """Of a device with a table of job, colour and count."""
    rows = [NORTHWIND, counter(LIFE, 9000), integer(f"{MARKER_UNIT}.1.1", 7)]
    for at, (job, colour, count) in enumerate(table, 1):
        rows += [integer(f"{AT}.5.2.{at}", job), integer(f"{AT}.5.6.{at}", colour)]
        rows += [integer(f"{AT}.5.7.{at}", count)]
    return read_rows(by_oid(*rows), profiles(path, BY_JOB_AND_COLOUR))


def test_all_rows_in_which_every_condition_holds_are_added(tmp_path: Path) -> None:
    read = by_job(tmp_path, (1, 3, 100), (1, 1, 7), (2, 3, 20), (5, 3, 4000), (1, 3, 3))

    assert read.meters["mono"] == 123
    assert read.sources["mono"] == [f"{AT}.5.7.1", f"{AT}.5.7.3", f"{AT}.5.7.5"]


def test_a_row_that_is_not_metered_leaves_no_sum(tmp_path: Path) -> None:
    assert "mono" not in by_job(tmp_path, (1, 3, 100), (2, 3, -2)).meters


def totals(path: Path, total: int | None, life: int, unit: int = 7) -> MeterRead:
    own = [] if total is None else [counter(f"{AT}.9.1.0", total)]
    rows = by_oid(NORTHWIND, counter(LIFE, life), integer(f"{MARKER_UNIT}.1.1", unit), *own)
    return read_rows(rows, profiles(path, OWN_TOTAL))


def test_the_basis_is_that_of_the_row_that_gave_the_total(tmp_path: Path) -> None:
    own, standard = totals(tmp_path, 500, 500), totals(tmp_path, None, 500)

    assert (own.basis, own.large_counts) == ("equivalent", 2)
    assert (standard.basis, standard.large_counts) == ("life", None)


@pytest.mark.parametrize(("total", "life", "noted"), [(950, 1000, 0), (949, 1000, 1), (0, 1, 1)])
def test_two_channels_that_are_too_far_apart_are_noted(
    tmp_path: Path, total: int, life: int, noted: int
) -> None:
    notes = totals(tmp_path, total, life).notes

    assert len(notes) == noted
    assert all(f"total {total} and prtMarkerLifeCount {life}" in note for note in notes)


def test_what_no_bill_may_rest_on_stands_under_its_own_name(tmp_path: Path) -> None:
    native = f"native:\n  jams:\n    oid: {AT}.8.1.0\n    source: one project\n"
    rows = by_oid(NORTHWIND, counter(f"{AT}.1.2.0", 5), counter(f"{AT}.8.1.0", 12))
    read = read_rows(rows, profiles(tmp_path, native))

    assert (read.meters, read.native) == ({"copy": 5}, {"jams": 12})
    assert read.varbinds[f"{AT}.8.1.0"] == ("Counter32", 12)


def test_a_name_is_a_meter_or_native(tmp_path: Path) -> None:
    native = f"native:\n  copy:\n    oid: {AT}.8.1.0\n    source: one project\n"

    assert "copy is a meter and native" in fault(SMALL + native)


@pytest.mark.parametrize(("takes", "asked"), [(20, 7), (5, 5)])
def test_a_device_is_asked_as_its_profile_says_that_it_bears(
    tmp_path: Path, takes: int, asked: int
) -> None:
    quirks = "quirks: { getbulk: false, max_varbinds: 7, source: one device }\n"
    session = WalkSession(by_oid(NORTHWIND, counter(f"{AT}.1.2.0", 5)))
    session.manners = Manners(takes_bulk=True, max_varbinds=takes)
    read_session(session, profiles(tmp_path, quirks))

    assert (session.manners.takes_bulk, session.manners.max_varbinds) == (False, asked)


def labelled(path: Path, rows: int) -> MeterRead:
    """Of a device with that many labelled rows, of which the profile knows the last."""
    text = f"""\
  print:
    column: {AT}.5.3
    where: {{ column: {AT}.5.2, equals: row {rows} }}
    source: its MIB
"""
    cells = [NORTHWIND]
    for at in range(1, rows + 1):
        cells += [octets(f"{AT}.5.2.{at}", f"row {at}"), counter(f"{AT}.5.3.{at}", at)]
    return read_rows(by_oid(*cells), profiles(path, text))


def test_the_row_behind_a_count_is_kept_and_of_the_others_four_kilobytes(tmp_path: Path) -> None:
    few, many = labelled(tmp_path, 20), labelled(tmp_path, 150)

    assert len(few.varbinds) == 1 + 2 * 20
    assert {f"{AT}.5.2.150", f"{AT}.5.3.150"} <= set(many.varbinds)
    kept = json.dumps(many.model_dump(mode="json")["varbinds"], separators=(",", ":"))
    assert 3800 < len(kept) <= 4096
    left_out = 1 + 2 * 150 - len(many.varbinds)
    assert f"not kept: {left_out} counter rows found no room" in many.notes


@pytest.mark.parametrize(
    ("text", "count"),
    [("1920 INCHES, 4876 CENTIMETERS", 4876), ("4876", None), ("-1 CENTIMETERS", None), ("", None)],
)
def test_a_count_within_a_sentence_is_read_as_the_profile_says(
    tmp_path: Path, text: str, count: int | None
) -> None:
    native = (
        "native:\n  length_cm:\n    oid: {}.8.1.0\n    pattern: '{}'\n    source: one project\n"
    )
    known = profiles(tmp_path, native.format(AT, r"(?<![-\d.,])(\d+) CENTIMETERS"))
    read = read_rows(by_oid(NORTHWIND, counter(LIFE, 5), octets(f"{AT}.8.1.0", text)), known)

    assert read.native.get("length_cm") == count
