"""Supply rows to supply levels; pure. RFC 3805, prtMarkerSuppliesTable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import TypeAdapter

from services.poller.mib import (
    COLORANT_VALUE,
    RECEPTACLE,
    SUPPLY_CLASS,
    SUPPLY_COLORANT,
    SUPPLY_COLUMNS,
    SUPPLY_DESCRIPTION,
    SUPPLY_LEVEL,
    SUPPLY_MAX,
    SUPPLY_TYPE,
    SUPPLY_TYPES,
    SUPPLY_UNIT,
    SUPPLY_UNITS,
)
from services.poller.rows import Rows, integers
from shared.messages import SupplyLevel
from shared.snmp.port import Varbind

MAX_SUPPLIES = 200
_SUPPLIES = TypeAdapter(list[SupplyLevel])
_NUMBERS = (SUPPLY_COLORANT, SUPPLY_CLASS, SUPPLY_TYPE, SUPPLY_UNIT, SUPPLY_MAX, SUPPLY_LEVEL)


def supply_levels(rows: Rows) -> list[SupplyLevel]:
    """The supplies in table order."""
    columns = [rows.column(column) for column in SUPPLY_COLUMNS]
    numbers = [integers(rows.column(column)) for column in _NUMBERS]
    descriptions = rows.column(SUPPLY_DESCRIPTION)
    in_order = sorted(dict.fromkeys(at for cells in columns for at in cells), key=_table_order)
    return _SUPPLIES.validate_python(
        [
            _supply(rows, at, descriptions.get(at), *(column.get(at) for column in numbers))
            for at in in_order[:MAX_SUPPLIES]
        ]
    )


def _supply(
    rows: Rows,
    at: str,
    description: Varbind | None,
    colorant: int | None,
    kind: int | None,
    type_: int | None,
    unit: int | None,
    max_capacity: int | None,
    level: int | None,
) -> Mapping[str, object]:
    return {
        "index": at,
        "description": rows.as_text(description),
        "type": None if type_ is None else SUPPLY_TYPES.get(type_) or f"type {type_}",
        "colorant": _colorant(rows, at, colorant) if colorant else None,
        "level_percent": level_percent(level, max_capacity),
        "level": level,
        "max_capacity": max_capacity,
        "unit": None if unit is None else SUPPLY_UNITS.get(unit) or f"unit {unit}",
        "state": state(level, max_capacity, receptacle=kind == RECEPTACLE),
    }


def level_percent(level: int | None, max_capacity: int | None) -> float | None:
    """Share of a supply that is left, 0.0 to 100.0, to a tenth.

    Args:
        level: prtMarkerSuppliesLevel in prtMarkerSuppliesSupplyUnit: what is left in a container,
            or the room left in a receptacle. -1 no restriction, -2 unknown, -3 some is left.
        max_capacity: prtMarkerSuppliesMaxCapacity, same unit; -1 and -2 as above.

    Returns:
        None where no share can be told: a code, a capacity of 0, or a level above its capacity
        (some devices report 150 of 100), which is not cut to 100.
    """
    if level is None or max_capacity is None or not 0 <= level <= max_capacity:
        return None
    return round(100 * level / max_capacity, 1) if max_capacity else None


def state(level: int | None, max_capacity: int | None, *, receptacle: bool) -> str | None:
    """What the codes say, in words; None where level and capacity say it as numbers."""
    match level:
        case None:
            return None
        case -1:
            return "no restriction"
        case -2:
            return "unknown"
        case -3:
            return "some room left" if receptacle else "some left"
        case 0:
            return "full" if receptacle else "empty"
        case below if below < 0:
            return f"level {below} means nothing"
    if max_capacity is None or max_capacity <= 0:
        return "capacity unknown" if max_capacity != -1 else "capacity not restricted"
    if level > max_capacity:
        return f"level {level} is above the capacity {max_capacity}"
    return None


def _colorant(rows: Rows, instance: str, index: int) -> str | None:
    """prtMarkerColorantValue by way of prtMarkerSuppliesColorantIndex; 0: no colorant."""
    device = instance.partition(".")[0]
    text = rows.text(COLORANT_VALUE, f"{device}.{index}")
    return text.lower() if text else None


@lru_cache(maxsize=4096)
def _table_order(instance: str) -> list[int]:
    return [int(arc) for arc in instance.split(".") if arc.isdecimal()]
