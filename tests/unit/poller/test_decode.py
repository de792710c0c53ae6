from __future__ import annotations

from pathlib import Path

import pytest

from services.poller.decode import NotAPrinterError
from services.poller.mib import (
    HR_DEVICE_DESCR,
    HR_DEVICE_TYPE,
    IF_PHYS_ADDRESS,
    IF_TYPE,
    MARKER_LIFE_COUNT,
    MARKER_UNIT,
    PRINTER_TYPE,
    SYS_DESCR,
    SYS_OBJECT_ID,
)
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from shared.messages import MeterRead
from shared.snmp.port import Varbind
from tests.unit.poller.reading import by_oid, counter, integer, octets, read_rows
from tests.unit.poller.test_profile import SMALL, folder

KYOCERA = "1.3.6.1.4.1.1347"
LIFE = f"{MARKER_LIFE_COUNT}.1.1"


def oid(at: str, value: str) -> Varbind:
    return Varbind(at, "ObjectIdentifier", value)


def kyocera(**rows: int) -> dict[str, Varbind]:
    """Rows of Kyocera's counters: total, and fFcC for function F and colour C."""
    places = {"total": f"{KYOCERA}.43.10.1.1.12.1.1"}
    return by_oid(
        oid(SYS_OBJECT_ID, f"{KYOCERA}.41"),
        *(
            integer(places.get(name, f"{KYOCERA}.42.3.1.2.1.1.{name[1]}.{name[3:]}"), value)
            for name, value in rows.items()
        ),
    )


def test_a_count_that_the_device_does_not_report_is_absent_and_not_0() -> None:
    read = read_rows(by_oid(integer(f"{MARKER_UNIT}.1.1", 7)))

    assert read.meters == {}
    assert read.no_meters_because == f"no total: it has no row {MARKER_LIFE_COUNT}"


def test_a_count_of_0_is_a_count() -> None:
    assert read_rows(by_oid(counter(LIFE, 0))).meters == {"total": 0}


@pytest.mark.parametrize("code", [-1, -2, -3])
def test_a_negative_count_is_not_metered(code: int) -> None:
    read = read_rows(by_oid(integer(LIFE, code)))

    assert read.meters == {}
    assert read.no_meters_because == f"no total: {LIFE} is {code}, which is not metered"
    assert read.varbinds[LIFE] == ("Integer32", code)


def test_a_count_that_is_text_is_no_count() -> None:
    read = read_rows(by_oid(octets(LIFE, "48213")))

    assert read.no_meters_because == f"no total: {LIFE} is no number (OctetString)"
    assert read.varbinds[LIFE] == ("OctetString", "3438323133")


def test_a_count_is_kept_as_it_is_up_to_what_can_be_stored() -> None:
    assert read_rows({LIFE: Varbind(LIFE, "Counter64", 2**63 - 1)}).meters == {"total": 2**63 - 1}
    beyond = read_rows({LIFE: Varbind(LIFE, "Counter64", 2**64 - 1)})
    assert beyond.meters == {}
    assert beyond.varbinds[LIFE] == ("Counter64", "18446744073709551615")


@pytest.mark.parametrize(
    ("code", "unit"), [(7, None), (8, "sheets"), (11, "hours"), (17, "metres"), (10, "unit 10")]
)
def test_the_unit_is_the_one_that_the_device_counts_in(code: int, unit: str | None) -> None:
    read = read_rows(by_oid(counter(LIFE, 5), integer(f"{MARKER_UNIT}.1.1", code)))

    assert read.units.get("total") == unit


def test_a_unit_that_the_device_does_not_say_is_not_taken_for_impressions() -> None:
    assert read_rows(by_oid(counter(LIFE, 5))).units == {"total": "not stated"}


def test_several_markers_that_count_are_not_added() -> None:
    read = read_rows(by_oid(counter(LIFE, 500), counter(f"{MARKER_LIFE_COUNT}.1.2", 500)))

    assert read.meters == {"life_count_1_1": 500, "life_count_1_2": 500}
    assert "which is it?" in read.notes[0]


def test_a_marker_that_never_marked_does_not_hide_the_one_that_does() -> None:
    rows = [counter(f"{MARKER_LIFE_COUNT}.1.{n}", value) for n, value in ((1, 0), (2, 77), (3, 0))]

    read = read_rows(by_oid(*rows, integer(f"{MARKER_LIFE_COUNT}.1.4", -2)))

    assert read.meters == {"total": 77}
    assert read.sources == {"total": [f"{MARKER_LIFE_COUNT}.1.2"]}


def test_a_life_count_beside_the_makers_total_is_not_the_bill() -> None:
    read = read_rows(kyocera(total=900) | by_oid(counter(LIFE, 950)))

    assert (read.meters["total"], read.meters["life_count"]) == (900, 950)
    assert (read.profile, read.basis, read.large_counts) == ("kyocera@1", "life", 1)


def test_a_life_count_does_not_stand_in_for_the_makers_total() -> None:
    read = read_rows(by_oid(oid(SYS_OBJECT_ID, f"{KYOCERA}.41"), counter(LIFE, 950)))

    assert read.meters == {"life_count": 950}
    assert read.notes == [f"no total: it has no row {KYOCERA}.43.10.1.1.12.1.1"]


def test_a_life_count_that_is_the_total_does_not_stand_beside_it() -> None:
    konica = oid(SYS_OBJECT_ID, "1.3.6.1.4.1.18334.1.1.1.2.1.1")

    read = read_rows(by_oid(konica, counter(LIFE, 950)))

    assert read.meters == {"total": 950}
    assert read.sources == {"total": [LIFE]}


def test_parts_that_do_not_make_the_total_are_left_out_and_said() -> None:
    read = read_rows(kyocera(total=100, f1c1=60, f1c2=0, f1c3=30))

    assert read.meters == {"total": 100, "print_mono": 60, "print_color": 30}
    assert "left out color and mono: mono 60 + color 30 is not total 100" in read.notes


def test_a_sum_that_lacks_rows_needs_the_whole_that_bears_it_out() -> None:
    assert read_rows(kyocera(total=60, f1c1=60)).meters["mono"] == 60
    assert "mono" not in read_rows(kyocera(f1c1=60)).meters
    assert read_rows(kyocera(f1c1=60, f2c1=7, f4c1=3)).meters["mono"] == 70


def test_a_sum_with_a_row_that_is_not_metered_is_no_sum() -> None:
    read = read_rows(kyocera(total=60, f1c1=60, f2c1=-1))

    assert "mono" not in read.meters


def test_a_table_row_is_found_by_its_label_and_not_by_its_place(tmp_path: Path) -> None:
    table = "1.3.6.1.4.1.32473.5.1"
    text = (
        SMALL
        + f"""\
  fax:
    column: {table}.3
    where: {{ column: {table}.2, equals: Fax pages }}
    source: its MIB
  print:
    column: {table}.3
    where: {{ column: {table}.1, equals: 40 }}
    source: its MIB
"""
    )
    profiles = Profiles(load_profiles(folder(tmp_path, northwind=text)))
    labels = {3: (40, "Prints", 700), 9: (41, "Fax pages", 30)}
    rows = [oid(SYS_OBJECT_ID, "1.3.6.1.4.1.32473.1")]
    for at, (kind, label, count) in labels.items():
        rows += [integer(f"{table}.1.{at}", kind), octets(f"{table}.2.{at}", label)]
        rows += [counter(f"{table}.3.{at}", count)]

    read = read_rows(by_oid(*rows), profiles)

    assert read.meters == {"fax": 30, "print": 700}
    assert f"{table}.2.9" in read.varbinds  # the label that the row was found by


LABELLED = "1.3.6.1.4.1.32473.5.1"


def read_labelled(tmp_path: Path, *cells: tuple[str, int]) -> MeterRead:
    """A device whose colour is the sum of the rows labelled Full and Single."""
    text = (
        SMALL
        + f"""\
  color:
    column: {LABELLED}.3
    where: {{ column: {LABELLED}.2, any_of: [Full, Single] }}
    source: its MIB
"""
    )
    profiles = Profiles(load_profiles(folder(tmp_path, northwind=text)))
    rows = [oid(SYS_OBJECT_ID, "1.3.6.1.4.1.32473.1"), counter(LIFE, 500)]
    for at, (label, count) in enumerate(cells, 1):
        rows += [octets(f"{LABELLED}.2.{at}", label), integer(f"{LABELLED}.3.{at}", count)]
    return read_rows(by_oid(*rows), profiles)


def test_rows_that_belong_together_are_added(tmp_path: Path) -> None:
    read = read_labelled(tmp_path, ("Mono", 9), ("Single", 20), ("Full", 300))

    assert read.meters["color"] == 320
    assert read.sources["color"] == [f"{LABELLED}.3.2", f"{LABELLED}.3.3"]
    assert read_labelled(tmp_path, ("Mono", 9), ("Full", 300)).meters["color"] == 300


@pytest.mark.parametrize(
    "cells",
    [
        (("Mono", 9),),
        (("Full", 300), ("Single", -1)),
        (("Full", 300), ("Single", 20), ("Full", 1)),
    ],
)
def test_rows_of_which_one_does_not_count_or_stands_there_twice_are_no_sum(
    tmp_path: Path, cells: tuple[tuple[str, int], ...]
) -> None:
    assert "color" not in read_labelled(tmp_path, *cells).meters


@pytest.mark.parametrize(
    ("sys_object_id", "index"),
    [
        ("1.3.6.1.4.1.311.1.1.3.1.2", "1"),  # a Windows server's queue
        ("1.3.6.1.4.1.8072.3.2.10", "1"),
        ("1.3.6.1.4.1.32473.1", "1280"),  # net-snmp's numbers, under a maker's own sysObjectID
        ("1.3.6.1.4.1.32473.1", "327681"),
    ],
)
def test_a_print_queue_is_no_printing_device(sys_object_id: str, index: str) -> None:
    rows = by_oid(
        oid(SYS_OBJECT_ID, sys_object_id),
        oid(f"{HR_DEVICE_TYPE}.{index}", PRINTER_TYPE),
        octets(f"{HR_DEVICE_DESCR}.{index}", "Microsoft Print To PDF"),
    )

    with pytest.raises(NotAPrinterError):
        read_rows(rows)


def test_a_printer_in_the_device_table_is_one_where_no_computer_is() -> None:
    rows = by_oid(
        oid(SYS_OBJECT_ID, "1.3.6.1.4.1.32473.1"),
        oid(f"{HR_DEVICE_TYPE}.1", "1.3.6.1.2.1.25.3.1.3"),
        oid(f"{HR_DEVICE_TYPE}.5", PRINTER_TYPE),
        octets(f"{HR_DEVICE_DESCR}.1", "ARM processor"),
        octets(f"{HR_DEVICE_DESCR}.5", "Northwind LP 2400"),
    )

    assert read_rows(rows).device.model == "Northwind LP 2400"


def test_a_computer_with_a_print_engine_is_a_printing_device() -> None:
    rows = by_oid(oid(SYS_OBJECT_ID, "1.3.6.1.4.1.8072.3.2.10"), counter(LIFE, 5))

    assert read_rows(rows).meters == {"total": 5}


def test_the_make_does_not_stand_in_the_model_too() -> None:
    rows = by_oid(
        octets(SYS_DESCR, "KONICA MINOLTA bizhub C250i"),
        octets(f"{HR_DEVICE_DESCR}.1", "KONICA MINOLTA bizhub C250i"),
    )

    device = read_rows(rows).device

    assert (device.make, device.model) == ("Konica Minolta", "bizhub C250i")


def test_a_wired_mac_goes_before_a_wireless_one() -> None:
    rows = by_oid(
        counter(LIFE, 5),
        integer(f"{IF_TYPE}.1", 24),
        octets(f"{IF_PHYS_ADDRESS}.1", bytes(6)),
        integer(f"{IF_TYPE}.2", 71),
        octets(f"{IF_PHYS_ADDRESS}.2", bytes.fromhex("020000000002")),
        integer(f"{IF_TYPE}.3", 6),
        octets(f"{IF_PHYS_ADDRESS}.3", bytes.fromhex("020000000003")),
    )

    assert read_rows(rows).device.mac == "02:00:00:00:00:03"


def test_a_make_without_a_profile_is_told_by_the_models_first_word() -> None:
    rows = by_oid(
        oid(f"{HR_DEVICE_TYPE}.1", PRINTER_TYPE),
        octets(f"{HR_DEVICE_DESCR}.1", "Panasonic KX-MB9061"),
        counter(LIFE, 700),
    )

    device = read_rows(rows).device
    assert (device.make, device.model) == ("Panasonic", "KX-MB9061")
