"""Supplies that only a maker's own rows hold, beside those of the standard table; pure.

Which row is which supply is the profile's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.poller.mib import SUPPLY_TYPES
from services.poller.profile import Profile
from services.poller.profile_rows import SupplyRow
from services.poller.records import number, records_in
from services.poller.rows import Rows, integer
from services.poller.supplies import MAX_SUPPLIES, Named, level_percent, named, state
from shared.messages import SupplyLevel

_FAMILIES = {"tonerCartridge": "toner", "inkCartridge": "ink"}
_LEVEL = ("level_percent", "level", "max_capacity", "unit", "state")
_ANY = {None, "other", "unknown"}  # may be a supply of any type


def with_own_supplies(
    standard: list[SupplyLevel], rows: Rows, profile: Profile, model: str | None
) -> list[SupplyLevel]:
    """The supplies of the standard table, and what the maker's own rows tell beside it.

    Where both tell a share, the standard's stands: its unit and capacity are the device's word.
    Where it tells none ("some left"), the level of the one own row for that supply stands. Own
    rows of a type that the table surely does not hold are supplies as well.
    """
    if not profile.supplies:
        return standard
    own = list(_own(rows, profile, model))
    found = [_completed(supply, standard, own) for supply in standard]
    listed = {_family(supply) for supply in standard}
    if not listed:
        found += own
    elif not listed & _ANY:
        found += [supply for supply in own if supply.type and _family(supply) not in listed]
    return found[:MAX_SUPPLIES]


def _own(rows: Rows, profile: Profile, model: str | None) -> Iterator[SupplyLevel]:
    told: set[str] = set()
    for row in profile.supplies:
        if row.models and not row.models.search(model or ""):
            continue
        if row.column:
            yield from _of_table(rows, row, row.column)
        for tag, value in _records(rows, row):
            supply = row.records[tag]
            if supply.description not in told:
                told.add(supply.description)
                yield _of_record(row, tag, value)


def _of_table(rows: Rows, row: SupplyRow, column: str) -> Iterator[SupplyLevel]:
    for at, cell in rows.column(column).items():
        descriptions = (rows.text(each, at) for each in row.descriptions)
        code = rows.integer(row.types, at) if row.types else None
        supply = _Supply(
            place=cell.oid,
            named=named(next(filter(None, descriptions), None)),
            type=None if code is None else SUPPLY_TYPES.get(code, f"type {code}"),
        )
        yield _measured(supply, integer(cell), row.max_capacity, row.unit)


def _records(rows: Rows, row: SupplyRow) -> Iterator[tuple[int, bytes]]:
    varbind = rows.one(row.oid or "")
    if varbind and isinstance(varbind.value, bytes):
        records = records_in(varbind.value)
        yield from ((tag, records[tag]) for tag in row.records if tag in records)


def _of_record(row: SupplyRow, tag: int, value: bytes) -> SupplyLevel:
    what = row.records[tag]
    place = f"{row.oid} record {tag:02x}"
    supply = _Supply(place, Named(what.description), what.type, what.colorant)
    if row.words:
        code = number(value)
        word = None if code is None else row.words.get(code, f"status {code}")
        return _measured(supply, None, None, None, word)
    if len(value) == 2:
        return _measured(supply, value[0], value[1], None)
    level = number(value) if len(value) == 4 else None  # nobody has told what one octet says
    return _measured(supply, level, row.max_capacity, row.unit)


class _Supply(NamedTuple):
    """A supply but for its level."""

    place: str
    named: Named
    type: str | None
    colorant: str | None = None


@lru_cache(maxsize=4096)  # most levels are what they were at the last read
def _measured(
    supply: _Supply,
    level: int | None,
    max_capacity: int | None,
    unit: str | None,
    word: str | None = None,
) -> SupplyLevel:
    receptacle = (supply.type or "").startswith("waste")
    return SupplyLevel(
        index=supply.place,
        description=supply.named.description,
        part_number=supply.named.part_number,
        serial=supply.named.serial,
        type=supply.type,
        colorant=supply.colorant,
        level_percent=level_percent(level, max_capacity),
        level=level,
        max_capacity=max_capacity,
        unit=unit,
        state=word or state(level, max_capacity, receptacle=receptacle),
    )


def _completed(
    supply: SupplyLevel, standard: Sequence[SupplyLevel], own: Sequence[SupplyLevel]
) -> SupplyLevel:
    """With the level of the one own row that is this supply, where it has none itself."""
    if supply.level_percent is not None:
        return supply
    alike = [each for each in own if _is_alike(each, supply) and each.level_percent is not None]
    if len(alike) != 1 or sum(_is_alike(alike[0], each) for each in standard) != 1:
        return supply
    return supply.model_copy(update={name: getattr(alike[0], name) for name in _LEVEL})


def _is_alike(own: SupplyLevel, supply: SupplyLevel) -> bool:
    """A colorant that the table does not tell may be any."""
    return _family(own) == _family(supply) and supply.colorant in (own.colorant, None)


def _family(supply: SupplyLevel) -> str | None:
    return _FAMILIES.get(supply.type or "", supply.type)
