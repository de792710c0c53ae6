"""The recordings of real devices that lie beside a checkout, with their hand-read truth.

They are other people's, and no part of this repository; without them these tests are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.poller.decode import NotAPrinterError
from services.poller.mib import GENERAL_SERIAL, HR_DEVICE_DESCR, SUPPLY_LEVEL, SUPPLY_MAX
from shared.messages import MeterRead
from tests.unit.poller.reading import read_rows
from tests.unit.walks import rows_of

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.snmprec"))

pytestmark = pytest.mark.skipif(not NAMES, reason="no recordings beside this checkout")


def test_no_other_device_is_taken_for_a_printer_and_no_printer_is_missed() -> None:
    wrong = {
        name: truth["notes"]
        for name in NAMES
        if (truth := _truth(name))["is_printer"] != (_read(name) is not None)
    }

    assert wrong == {}


def test_no_meter_is_wrong() -> None:
    """One that only a maker's own profile could know may be absent."""
    disagree = [
        f"{name}: {meter} {read.meters[meter]}, truth {said['value']} of {said['oid']}"
        for name, truth, read in _printers()
        for meter, said in truth["meters"].items()
        if meter in read.meters and read.meters[meter] != said["value"]
    ]

    assert disagree == []


def test_each_meter_of_a_row_that_a_profile_knows_is_read() -> None:
    """And whatever is read beside the truth is no number that the truth denies."""
    missed = [
        f"{name}: {meter} {said['value']} of {said['oid']} was not read"
        for name, truth, read in _printers()
        for meter, said in truth["meters"].items()
        if meter not in read.meters and _is_known(said["oid"], read)
    ]
    beside = [
        f"{name}: {meter} {count} is not in the truth"
        for name, truth, read in _printers()
        for meter, count in read.meters.items()
        if meter not in truth["meters"]
        and not (meter == "life_count" and count == truth["meters"]["total"]["value"])
    ]

    assert missed + beside == []


def test_serial_and_model_are_right_where_a_standard_row_holds_them() -> None:
    disagree = [
        f"{name}: {field} {value!r}, truth {accepted}"
        for name, truth, read in _printers()
        for field, column in (("serial", GENERAL_SERIAL), ("model", HR_DEVICE_DESCR))
        if any(oid.startswith(column + ".") for oid in rows_of(RECORDINGS / f"{name}.snmprec"))
        if (value := getattr(read.device, field))
        not in (accepted := [truth[field], *(truth.get(f"{field}_accept") or [])])
    ]

    assert disagree == []


def test_what_is_told_of_make_model_and_serial_is_never_wrong() -> None:
    disagree = [
        f"{name}: {field} {value!r}, truth {accepted}"
        for name, truth, read in _printers()
        for field in ("make", "model", "serial")
        if (value := getattr(read.device, field))
        and (name, field) != ("zebra_tlp2824-plus", "serial")  # the truth is disputed, see flow
        and value not in (accepted := [truth[field], *(truth.get(f"{field}_accept") or [])])
    ]

    assert disagree == []


def test_every_supply_level_is_within_a_point() -> None:
    disagree = []
    for name, truth, read in _printers():
        rows = rows_of(RECORDINGS / f"{name}.snmprec")
        if truth["supplies"] is None or not any(
            oid.startswith((SUPPLY_LEVEL, SUPPLY_MAX)) for oid in rows
        ):
            continue
        said = [supply["level_percent"] for supply in truth["supplies"]]
        levels = [supply.level_percent for supply in read.supplies]
        if len(said) != len(levels) or not all(map(_close, said, levels)):
            disagree.append(f"{name}: {levels}, truth {said}")

    assert disagree == []


def test_supply_types_and_colorants_are_right_where_rows_hold_them() -> None:
    disagree = [
        f"{name} {supply.index}: {field} {value!r}, truth {said[field]!r}"
        for name, truth, read in _printers()
        for supply, said in zip(read.supplies, truth["supplies"] or [], strict=False)
        for field in ("type", "colorant")
        if (value := getattr(supply, field)) and value != said[field]
    ]

    assert disagree == []


@cache
def _read(name: str) -> MeterRead | None:
    try:
        return read_rows(rows_of(RECORDINGS / f"{name}.snmprec"))
    except NotAPrinterError:
        return None


def _truth(name: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return truth


def _printers() -> list[tuple[str, dict[str, Any], MeterRead]]:
    return [(name, _truth(name), read) for name in NAMES if (read := _read(name))]


def _is_known(oid: str | None, read: MeterRead) -> bool:
    """Sums have no OID: they are the maker's word, too."""
    if oid is None:
        return read.profile != "rfc3805@1"
    return oid.startswith("1.3.6.1.2.1.43.") or (
        read.profile == "kyocera@1" and oid.startswith("1.3.6.1.4.1.1347.")
    )


def _close(said: float | None, level: float | None) -> bool:
    if said is None or level is None:
        return said == level
    return abs(said - level) <= 1
