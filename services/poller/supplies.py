"""Supply rows to supply levels; pure. RFC 3805, prtMarkerSuppliesTable."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from services.poller.mib import (
    COLORANT_VALUE,
    RECEPTACLE,
    SUPPLY_CLASS,
    SUPPLY_COLORANT,
    SUPPLY_DESCRIPTION,
    SUPPLY_LEVEL,
    SUPPLY_MAX,
    SUPPLY_TYPE,
    SUPPLY_TYPES,
    SUPPLY_UNIT,
    SUPPLY_UNITS,
)
from services.poller.rows import Rows, as_text, integer
from shared.messages import SupplyLevel
from shared.snmp.port import Varbind

MAX_SUPPLIES = 200
_LASTING = (SUPPLY_CLASS, SUPPLY_TYPE, SUPPLY_DESCRIPTION, SUPPLY_UNIT, SUPPLY_MAX)


def supply_levels(rows: Rows) -> list[SupplyLevel]:
    """The supplies in table order."""
    columns = [rows.column(column) for column in (SUPPLY_COLORANT, *_LASTING)]
    levels = rows.column(SUPPLY_LEVEL)
    instances = _in_order(tuple(dict.fromkeys(chain(*columns, levels))))
    told = tuple([cell for column in columns for cell in map(column.get, instances)])
    values = tuple(rows.column(COLORANT_VALUE).items())
    lasting = _lasting(instances, rows.charset, values, told)
    return [
        _supply(each, integer(levels.get(at))) for at, each in zip(instances, lasting, strict=True)
    ]


class _Lasting(NamedTuple):
    """What a supply says of itself that does not change while it is used up."""

    at: str
    named: Named
    type: str | None
    colorant: str | None
    max_capacity: int | None
    unit: str | None
    receptacle: bool


@lru_cache(maxsize=1024)  # devices of a model say the same
def _lasting(
    instances: tuple[str, ...],
    charset: int | None,
    values: tuple[tuple[str, Varbind], ...],
    told: tuple[Varbind | None, ...],
) -> tuple[_Lasting, ...]:
    """Each supply's. `told` holds prtMarkerSuppliesColorantIndex of all, then each of _LASTING."""
    colorants = dict(values)
    found = []
    for number, at in enumerate(instances):
        index, class_, type_, description, unit, max_capacity = told[number :: len(instances)]
        type_code, unit_code = integer(type_), integer(unit)
        group = at.partition(".")[0]  # hrDeviceIndex; a colorant index of 0: no colorant
        colorant = colorants.get(f"{group}.{integer(index)}") if integer(index) else None
        value = as_text(colorant, charset)
        found.append(
            _Lasting(
                at=at,
                named=named(as_text(description, charset)),
                type=None
                if type_code is None
                else SUPPLY_TYPES.get(type_code) or f"type {type_code}",
                colorant=value.lower() if value else None,
                max_capacity=integer(max_capacity),
                unit=None
                if unit_code is None
                else SUPPLY_UNITS.get(unit_code) or f"unit {unit_code}",
                receptacle=integer(class_) == RECEPTACLE,
            )
        )
    return tuple(found)


@lru_cache(maxsize=32_768)  # most levels are what they were at the last read
def _supply(lasting: _Lasting, level: int | None) -> SupplyLevel:
    return SupplyLevel(
        index=lasting.at,
        description=lasting.named.description,
        part_number=lasting.named.part_number,
        serial=lasting.named.serial,
        type=lasting.type,
        colorant=lasting.colorant,
        level_percent=level_percent(level, lasting.max_capacity),
        level=level,
        max_capacity=lasting.max_capacity,
        unit=lasting.unit,
        state=state(level, lasting.max_capacity, receptacle=lasting.receptacle),
    )


class Named(NamedTuple):
    """A supply's name, and what its text holds besides."""

    description: str | None
    part_number: str | None = None
    serial: str | None = None


_PART_NUMBER = re.compile(r"[,;\s]\s*P/?N(?::\s*|\s+)(?P<is>[\w-]+)\s*(?=[,;]|$)")
_SERIAL = re.compile(r"(?:[,;]\s*SN:?|[,;\s]\s*S/N:?)\s*(?P<is>[\w:-]+)\s*(?=[,;]|$)")


def named(text: str | None) -> Named:
    """Part and serial number taken out of a description that holds them, as PN and SN or S/N.

    "Black Toner, PN 006R01509;SN48178080E0000481" is Xerox's, "Black Toner S/N:CRUM-…" Samsung's.
    """
    told: list[str | None] = []
    for pattern in (_SERIAL, _PART_NUMBER):
        found = pattern.search(text or "")
        said = found["is"] if found else "unknown"
        told.append(None if said.lower() == "unknown" else said)
        if text and found:
            text = text[: found.start()] + text[found.end() :]
    serial, part_number = told
    return Named((text or "").strip(" ,;") or None, part_number, serial)


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


@lru_cache(maxsize=1024)
def _in_order(instances: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(instances, key=_arcs)[:MAX_SUPPLIES])


def _arcs(instance: str) -> list[int]:
    return [int(arc) for arc in instance.split(".") if arc.isdecimal()]
