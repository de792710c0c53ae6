"""Supplies out of a maker's own rows, beside those of the standard table."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.poller.device import read_device
from services.poller.own_supplies import with_own_supplies
from services.poller.rows import Rows
from shared.decode import decode
from shared.messages import SupplyLevel
from shared.snmp.port import Varbind
from tests.unit.poller.reading import NOON, PROFILES, integer, octets, read_rows
from tests.unit.walks import WalkSession, rows_of

WALKS = Path(__file__).parents[2] / "walks"

BROTHER = PROFILES.by_name["brother"]
EPSON = PROFILES.by_name["epson"]
MAINTENANCE = "1.3.6.1.4.1.2435.2.3.9.4.2.1.5.5.8.0"
INK = "1.3.6.1.4.1.1248.1.2.2.28.1.1"
LASER, INKJET = "HL-L9020DN", "DCP-J932W"

Cell = tuple[int, str, int | str]  # column, instance, value
Told = list[tuple[str | None, float | None, str | None]]


def brother(
    records: bytes, *, model: str | None = LASER, standard: list[SupplyLevel] | None = None
) -> list[SupplyLevel]:
    rows = Rows()
    rows.take({MAINTENANCE: octets(MAINTENANCE, records)})
    return with_own_supplies(standard or [], rows, BROTHER, model)


def epson(*cells: Cell, standard: list[SupplyLevel]) -> list[SupplyLevel]:
    rows = Rows()
    for column, at, value in cells:
        oid = f"{INK}.{column}.{at}"
        cell = integer(oid, value) if isinstance(value, int) else octets(oid, value)
        rows.take_table({f"{INK}.{column}": {at: cell}})
    return with_own_supplies(standard, rows, EPSON, None)


def record(tag: int, value: int) -> bytes:
    return bytes([tag, 1, 4]) + value.to_bytes(4, "big")


def told(supplies: list[SupplyLevel]) -> Told:
    return [(each.description, each.level_percent, each.state) for each in supplies]


def toner(at: str, **fields: object) -> SupplyLevel:
    return SupplyLevel(index=at, type="toner", level=-3, state="some left").model_copy(
        update={"description": f"Toner {at}", **fields}
    )


def test_a_record_is_a_share_of_what_the_profile_says() -> None:
    [supply] = brother(record(0x6F, 7700) + b"\xff")

    assert (supply.description, supply.type, supply.colorant) == ("Black Toner", "toner", "black")
    assert (supply.level_percent, supply.level, supply.max_capacity) == (77.0, 7700, 10_000)
    assert supply.index == f"{MAINTENANCE} record 6f"


def test_a_record_of_two_octets_holds_its_own_maximum() -> None:
    [supply] = brother(bytes([0xA1, 1, 2, 4, 20, 0xFF]))

    assert (supply.description, supply.level_percent) == ("Black Ink", 20.0)
    assert (supply.level, supply.max_capacity, supply.unit) == (4, 20, None)


def test_a_record_of_one_octet_tells_no_level() -> None:
    """Nothing says whether 98 would be of 100 or of 10,000."""
    assert told(brother(bytes([0x6F, 1, 1, 98, 0xFF]))) == [("Black Toner", None, None)]


def test_a_level_above_its_capacity_is_no_share() -> None:
    assert told(brother(record(0x6F, 12_000) + b"\xff")) == [
        ("Black Toner", None, "level 12000 is above the capacity 10000")
    ]


def test_an_inkjet_has_ink_and_no_drum_where_a_laser_has_toner() -> None:
    records = record(0x41, 9300) + record(0x6F, 7100) + b"\xff"

    assert told(brother(records, model=LASER)) == [
        ("Black Toner", 71.0, None),
        ("Drum", 93.0, None),
    ]
    assert told(brother(records, model=INKJET)) == [("Black Ink", 71.0, None)]


def test_a_status_is_told_in_words_where_there_is_no_level() -> None:
    records = record(0x31, 2) + record(0x32, 2) + record(0x33, 9) + record(0x6F, 800) + b"\xff"

    assert told(brother(records, model=INKJET)) == [
        ("Black Ink", 8.0, None),
        ("Cyan Ink", None, "low"),
        ("Magenta Ink", None, "status 9"),
    ]


def test_of_octets_that_are_no_records_nothing_is_told() -> None:
    assert brother(record(0x6F, 7700)) == []


def test_a_share_that_the_standard_table_tells_stands() -> None:
    standard = [toner("1.1", level_percent=80.0, state=None)]

    assert brother(record(0x6F, 7700) + b"\xff", standard=standard) == standard


def test_where_the_standard_table_says_only_that_some_is_left_the_own_level_stands() -> None:
    standard = [toner("1.1", colorant="black", part_number="TN-9", serial="NW-7")]

    [supply] = brother(record(0x6F, 7700) + b"\xff", standard=standard)

    assert told([supply]) == [("Toner 1.1", 77.0, None)]
    assert (supply.part_number, supply.serial) == ("TN-9", "NW-7")
    assert (supply.index, supply.level, supply.max_capacity) == ("1.1", 7700, 10_000)


def test_one_own_level_is_not_given_to_two_supplies() -> None:
    standard = [toner("1.1"), toner("1.2")]

    assert brother(record(0x6F, 7700) + b"\xff", standard=standard) == standard


def test_a_level_is_not_given_to_another_colorant() -> None:
    standard = [toner("1.1", colorant="cyan")]

    assert brother(record(0x6F, 7700) + b"\xff", standard=standard) == standard


def test_a_type_that_the_standard_table_lacks_is_added() -> None:
    standard = [toner("1.1", colorant="black", level_percent=80.0, state=None)]

    supplies = brother(record(0x6F, 7700) + record(0x6A, 9000) + b"\xff", standard=standard)

    assert told(supplies) == [("Toner 1.1", 80.0, None), ("Fuser", 90.0, None)]


def test_nothing_is_added_beside_supplies_that_may_be_the_same() -> None:
    for type_ in (None, "other", "unknown"):
        standard = [SupplyLevel(index="1.1", type=type_)]
        assert brother(record(0x6A, 9000) + b"\xff", standard=standard) == standard
    inks = [SupplyLevel(index="1.1", type="inkCartridge", level_percent=28.0)]
    assert epson((2, "1.1", 28), (5, "1.1", "Black"), standard=inks) == inks
    assert epson((2, "1.1", 28), (21, "1.1", 5), standard=inks) == inks


def test_a_makers_table_tells_a_box_that_the_standard_table_lacks() -> None:
    inks = [SupplyLevel(index="1.1", type="ink", level_percent=28.0)]

    ink_again: list[Cell] = [(2, "1.1", 28), (21, "1.1", 6)]
    only_here: list[Cell] = [(2, "1.5", 0), (5, "1.5", "Box, PN T95"), (21, "1.5", 8)]

    [ink, box] = epson(*ink_again, *only_here, standard=inks)

    assert ink == inks[0]
    assert (box.description, box.part_number) == ("Box", "T95")
    assert (box.type, box.state) == ("wasteInk", "full")
    assert box.index == f"{INK}.2.1.5"


@pytest.mark.parametrize(
    "name", ["brother-mono-laser", "brother-ink-tank", "epson-maintenance-box"]
)
def test_they_are_read_again_by_a_poller_that_knows_the_device(name: str) -> None:
    rows = rows_of(WALKS / f"{name}.snmprec")

    first = asyncio.run(read_device(WalkSession(rows), PROFILES, "10.0.0.7", lambda: NOON))
    session = WalkSession(rows)
    again = asyncio.run(read_device(session, PROFILES, "10.0.0.7", lambda: NOON, first.plan))

    assert again.plan is first.plan is not None
    assert again.decoded.supplies == first.decoded.supplies


_records = st.lists(
    st.tuples(st.sampled_from(sorted({t for row in BROTHER.supplies for t in row.records})),
              st.binary(max_size=6)),
    max_size=30,
).map(lambda said: b"".join(bytes([t, 1, len(v)]) + v for t, v in said) + b"\xff")  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.one_of(_records, st.binary(max_size=60)), st.integers(-(2**31), 2**64), st.binary())
def test_any_own_rows_are_a_message_that_the_bus_takes(
    records: bytes, level: int, name: bytes
) -> None:
    brother_like = octets(MAINTENANCE, records)
    cells = [Varbind(f"{INK}.{column}.1.1", "Counter64", level) for column in (2, 21)]
    for make, said in (
        ("2435.2.3.9", [brother_like]),
        ("1248.1", [*cells, octets(f"{INK}.5.1.1", name)]),
    ):
        system = Varbind("1.3.6.1.2.1.1.2.0", "ObjectIdentifier", f"1.3.6.1.4.1.{make}.1")
        read = read_rows({varbind.oid: varbind for varbind in (system, *said)})
        assert decode("meter.read.v1", read.to_json()) == read
