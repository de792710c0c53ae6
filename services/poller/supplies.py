"""Supply rows to supply levels; pure. RFC 3805, prtMarkerSuppliesTable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

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
from services.poller.rows import Rows, integer
from shared.messages import SupplyLevel
from shared.snmp.port import Varbind

MAX_SUPPLIES = 200


def supply_levels(rows: Rows) -> list[SupplyLevel]:
    """The supplies in table order."""
    columns = {column: rows.column(column) for column in SUPPLY_COLUMNS}
    instances = dict.fromkeys(at for cells in columns.values() for at in cells)
    in_order = sorted(instances, key=_table_order)
    return [_supply(rows, columns, at) for at in in_order[:MAX_SUPPLIES]]


def _supply(rows: Rows, columns: Mapping[str, Mapping[str, Varbind]], at: str) -> SupplyLevel:
    level = integer(columns[SUPPLY_LEVEL].get(at))
    max_capacity = integer(columns[SUPPLY_MAX].get(at))
    kind = integer(columns[SUPPLY_TYPE].get(at))
    unit = integer(columns[SUPPLY_UNIT].get(at))
    receptacle = integer(columns[SUPPLY_CLASS].get(at)) == RECEPTACLE
    return SupplyLevel(
        index=at,
        description=rows.as_text(columns[SUPPLY_DESCRIPTION].get(at)),
        type=None if kind is None else SUPPLY_TYPES.get(kind) or f"type {kind}",
        colorant=_colorant(rows, at, integer(columns[SUPPLY_COLORANT].get(at))),
        level_percent=level_percent(level, max_capacity),
        level=level,
        max_capacity=max_capacity,
        unit=None if unit is None else SUPPLY_UNITS.get(unit) or f"unit {unit}",
        state=state(level, max_capacity, receptacle=receptacle),
    )


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


def _colorant(rows: Rows, instance: str, index: int | None) -> str | None:
    """prtMarkerColorantValue by way of prtMarkerSuppliesColorantIndex; 0: no colorant."""
    if not index:
        return None
    device = instance.partition(".")[0]
    text = rows.text(COLORANT_VALUE, f"{device}.{index}")
    return text.lower() if text else None


@lru_cache(maxsize=4096)
def _table_order(instance: str) -> list[int]:
    return [int(arc) for arc in instance.split(".") if arc.isdecimal()]
