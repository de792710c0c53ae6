"""Supply rows to supply levels; pure. RFC 3805, prtMarkerSuppliesTable."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

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

MAX_SUPPLIES = 200
_SUPPLIES = TypeAdapter(list[SupplyLevel])
_NUMBERS = (SUPPLY_COLORANT, SUPPLY_CLASS, SUPPLY_TYPE, SUPPLY_UNIT, SUPPLY_MAX, SUPPLY_LEVEL)


def supply_levels(rows: Rows) -> list[SupplyLevel]:
    """The supplies in table order."""
    instances = dict.fromkeys(chain.from_iterable(map(rows.column, SUPPLY_COLUMNS)))
    colorants, classes, types, units, capacities, levels = (
        integers(rows.column(column)).get for column in _NUMBERS
    )
    descriptions, values = rows.texts(SUPPLY_DESCRIPTION).get, rows.texts(COLORANT_VALUE).get
    supplies = []
    for at in sorted(instances, key=_table_order)[:MAX_SUPPLIES]:
        colorant, type_, unit = colorants(at), types(at), units(at)
        # prtMarkerSuppliesColorantIndex; 0: no colorant
        value = values(f"{at.partition('.')[0]}.{colorant}") if colorant else None
        level, max_capacity = levels(at), capacities(at)
        supply = {
            "index": at,
            "description": descriptions(at),
            "type": None if type_ is None else SUPPLY_TYPES.get(type_) or f"type {type_}",
            "colorant": value.lower() if value else None,
            "level_percent": level_percent(level, max_capacity),
            "level": level,
            "max_capacity": max_capacity,
            "unit": None if unit is None else SUPPLY_UNITS.get(unit) or f"unit {unit}",
            "state": state(level, max_capacity, receptacle=classes(at) == RECEPTACLE),
        }
        supplies.append(supply)
    return _SUPPLIES.validate_python(supplies)


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


@lru_cache(maxsize=4096)
def _table_order(instance: str) -> list[int]:
    return [int(arc) for arc in instance.split(".") if arc.isdecimal()]
