from __future__ import annotations

import pytest

from services.poller.mib import (
    COLORANT_VALUE,
    SUPPLY_CLASS,
    SUPPLY_COLORANT,
    SUPPLY_LEVEL,
    SUPPLY_MAX,
    SUPPLY_TYPE,
)
from services.poller.rows import Rows
from services.poller.supplies import level_percent, named, state, supply_levels
from shared.snmp.port import Varbind
from tests.unit.poller.reading import integer, octets


def table(*cells: tuple[str, str, int | str]) -> Rows:
    rows = Rows()
    for column, at, value in cells:
        oid = f"{column}.{at}"
        varbind = integer(oid, value) if isinstance(value, int) else octets(oid, value)
        rows.take_table({column: {at: varbind}})
    return rows


@pytest.mark.parametrize(
    ("level", "capacity", "percent"),
    [(3200, 8000, 40.0), (0, 100, 0.0), (100, 100, 100.0), (1, 3, 33.3)],
)
def test_a_level_within_its_capacity_is_a_share(level: int, capacity: int, percent: float) -> None:
    assert level_percent(level, capacity) == percent


@pytest.mark.parametrize(
    ("level", "capacity"),
    [(-3, 100), (-2, -2), (-1, -1), (50, -2), (50, 0), (0, 0), (150, 100), (None, 100), (5, None)],
)
def test_no_share_is_told_where_none_can_be(level: int | None, capacity: int | None) -> None:
    assert level_percent(level, capacity) is None


@pytest.mark.parametrize(
    ("level", "capacity", "receptacle", "words"),
    [
        (-1, 100, False, "no restriction"),
        (-2, 100, False, "unknown"),
        (-3, 100, False, "some left"),
        (-3, -2, True, "some room left"),
        (0, 100, False, "empty"),
        (0, 100, True, "full"),
        (40, 100, False, None),
        (40, -2, False, "capacity unknown"),
        (40, -1, False, "capacity not restricted"),
        (150, 100, False, "level 150 is above the capacity 100"),
        (-7, 100, False, "level -7 means nothing"),
        (None, 100, False, None),
    ],
)
def test_codes_are_said_in_words(
    level: int | None, capacity: int | None, receptacle: bool, words: str | None
) -> None:
    assert state(level, capacity, receptacle=receptacle) == words


def test_a_colorant_is_found_through_its_index_and_not_by_its_place() -> None:
    rows = table(
        (SUPPLY_COLORANT, "1.1", 4),
        (SUPPLY_COLORANT, "1.2", 0),
        (SUPPLY_COLORANT, "1.3", 9),
        (COLORANT_VALUE, "1.1", "cyan"),
        (COLORANT_VALUE, "1.4", "Black"),
    )

    assert [supply.colorant for supply in supply_levels(rows)] == ["black", None, None]


def test_supplies_come_in_table_order_and_not_in_that_of_text() -> None:
    rows = table((SUPPLY_TYPE, "1.10", 9), (SUPPLY_TYPE, "1.2", 3), (SUPPLY_TYPE, "1.9", 99))

    found = [(supply.index, supply.type) for supply in supply_levels(rows)]

    assert found == [("1.2", "toner"), ("1.9", "type 99"), ("1.10", "opc")]


def test_a_supply_keeps_the_numbers_that_the_device_gave() -> None:
    rows = table((SUPPLY_CLASS, "1.1", 4), (SUPPLY_LEVEL, "1.1", -3), (SUPPLY_MAX, "1.1", -2))

    [supply] = supply_levels(rows)

    assert (supply.level, supply.max_capacity, supply.level_percent) == (-3, -2, None)
    assert supply.state == "some room left"


def test_a_level_that_is_text_is_none() -> None:
    rows = table((SUPPLY_LEVEL, "1.1", "full"))

    assert supply_levels(rows)[0].level is None


def test_a_level_beyond_what_a_message_can_carry_is_none() -> None:
    rows = Rows()
    rows.take_table({SUPPLY_LEVEL: {"1.1": Varbind(SUPPLY_LEVEL + ".1.1", "Counter64", 2**63)}})

    assert supply_levels(rows)[0].level is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Black Toner, PN 006R01509;SN48178080E0", ("Black Toner", "006R01509", "48178080E0")),
        ("Fuser, PN unknown;SNunknown", ("Fuser", None, None)),
        ("Black Toner S/N:CRUM-130109", ("Black Toner", None, "CRUM-130109")),
        ("SNOW White Toner; PNG", ("SNOW White Toner; PNG", None, None)),
        ("TK-8527K", ("TK-8527K", None, None)),
        (";SN12", (None, None, "12")),
        (None, (None, None, None)),
    ],
)
def test_part_and_serial_number_are_taken_out_of_a_description(
    text: str | None, told: tuple[str | None, ...]
) -> None:
    assert tuple(named(text)) == told
