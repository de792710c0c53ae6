"""Varbinds to meters; pure. Which row is which meter is the profile's word, never this file's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from services.poller.identity import identity, printer_index, prints
from services.poller.kept import RawVarbind, kept
from services.poller.mib import COUNTER_UNITS
from services.poller.own_supplies import with_own_supplies
from services.poller.profile import Profile
from services.poller.profile_rows import MeterRow
from services.poller.recognise import Choice, Profiles
from services.poller.records import counts_in
from services.poller.rows import COUNT_TYPES, Rows, integer
from services.poller.status import alerts, device_status
from services.poller.supplies import supply_levels
from shared.messages import Alert, DeviceIdentity, DeviceStatus, SupplyLevel, usual_unit
from shared.snmp.port import Varbind

MAX_METERS = 500
NOTHING_PRINTS = "it answers SNMP, and nothing that it says is a printer's"


class NotReadableError(Exception):
    """What came cannot be a read; the text says why."""


class NotAPrinterError(NotReadableError):
    """It answered, and nothing that came says that it prints."""


@dataclass
class Meters:
    """Counts by name, with what stands behind each."""

    counts: dict[str, int] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # name -> why there is no count
    notes: list[str] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)  # sums that some of their rows are not in
    adds_up: bool = True
    bill: MeterRow | None = None  # the row that gave the total


_NOTHING = Meters()


class Decoded(NamedTuple):
    """The fields of a MeterRead that varbinds tell."""

    device: DeviceIdentity
    meters: Meters
    no_meters_because: str | None
    varbinds: dict[str, RawVarbind]
    supplies: list[SupplyLevel]
    status: DeviceStatus
    alerts: list[Alert]
    basis: Literal["life", "equivalent"] | None
    large_counts: Literal[1, 2] | None
    native: dict[str, int]


def decode(
    rows: Rows,
    choice: Choice,
    profiles: Profiles,
    address: str | None,
    profile: Profile | None = None,
) -> Decoded:
    """
    Args:
        profile: the choice's, less ways to meters of which no row was asked for.

    Raises: NotAPrinterError.
    """
    if not prints(rows, choice):
        raise NotAPrinterError(NOTHING_PRINTS)
    index = printer_index(rows)
    device, told_by = identity(rows, choice, profiles, address, index)
    profile = profile or choice.profile
    meters = read_meters(rows, profile)
    native = read_native(rows, profile)
    basis, large_counts = counting(meters, profile)
    varbinds, left_out = kept(rows, profile, told_by, _used(meters, native))
    if left_out:
        meters.notes.append(f"not kept: {left_out} counter rows found no room")
    return Decoded(
        device=device,
        meters=meters,
        no_meters_because=None if meters.counts else why_no_meters(meters),
        varbinds=varbinds,
        supplies=with_own_supplies(supply_levels(rows), rows, choice.profile, device.model),
        status=device_status(rows, index),
        alerts=alerts(rows),
        basis=basis,
        large_counts=large_counts,
        native=native.counts,
    )


def _used(*read: Meters) -> set[str]:
    return {oid for meters in read for oids in meters.sources.values() for oid in oids}


def counting(
    meters: Meters, profile: Profile
) -> tuple[Literal["life", "equivalent"] | None, Literal[1, 2] | None]:
    """Basis and what a large sheet adds: of the row that gave the total, else of the profile."""
    if not meters.counts:
        return None, None
    row = meters.bill
    return (
        (row and row.basis) or profile.basis,
        (row and row.large_counts) or profile.large_counts,
    )


def why_no_meters(meters: Meters) -> str:
    if not meters.missing:
        return "its profile names no meters"
    name = "total" if "total" in meters.missing else next(iter(meters.missing))
    others = len(meters.missing) - 1
    more = f", nor any of {others} other meters" if others else ""
    return f"no {name}: {meters.missing[name]}"[:900] + more


def read_meters(rows: Rows, profile: Profile) -> Meters:
    """Every meter of the profile by the first of its rows that gives a count."""
    meters = Meters()
    for name, ways in profile.meters.items():
        if name == "life_count" and meters.bill and _counts_all(meters.bill, ways):
            continue
        way = _read_first(meters, name, ways, rows)
        if name == "total":
            meters.bill = way
    _leave_out_what_does_not_add_up(meters, profile)
    if meters.sources.get("life_count") == meters.sources.get("total"):
        _leave_out(meters, "life_count")  # it stands beside the bill, where that is another row
    if meters.counts and "total" in meters.missing:
        meters.notes.append(f"no total: {meters.missing['total']}"[:1000])
    if profile.tolerance:
        meters.notes += _apart(meters, profile.tolerance.percent)
    return meters


def _counts_all(bill: MeterRow, ways: Sequence[MeterRow]) -> bool:
    """Whether `ways` lead to the column that gave the bill, and to nothing else."""
    return not bill.where and [way.column for way in ways] == [bill.column]


def read_native(rows: Rows, profile: Profile) -> Meters:
    """What the device counts and nobody bills, under the names that the profile has for it."""
    if not profile.native:
        return _NOTHING
    native = Meters()
    for name, ways in profile.native.items():
        _read_first(native, name, ways, rows)
    return native


def _read_first(meters: Meters, name: str, ways: Sequence[MeterRow], rows: Rows) -> MeterRow | None:
    """The first way that gives a count."""
    for way in ways:
        if way.oid is not None and way.oid not in rows.scalars:
            meters.missing[name] = _why(way.oid, None)
        elif _read_way(meters, name, way, rows):
            meters.missing.pop(name, None)
            return way
    return None


def _apart(meters: Meters, percent: float) -> list[str]:
    """The note that total and prtMarkerLifeCount are too far apart, if they are."""
    total, life = meters.counts.get("total"), meters.counts.get("life_count")
    units = meters.units.get("total"), meters.units.get("life_count")
    if total is None or life is None or units[0] != units[1]:
        return []
    if abs(total - life) * 100 <= percent * max(total, life):
        return []
    return [f"total {total} and prtMarkerLifeCount {life} are over {percent:g} % apart"]


def _read_way(meters: Meters, name: str, way: MeterRow, rows: Rows) -> bool:
    if way.records:
        return _add_records(meters, name, way, rows)
    if way.adds:
        return _add_rows(meters, name, way, rows)
    if way.column:
        return _read_table(meters, name, way, rows)
    if way.oid:
        return _read_one(meters, name, way, way.oid, rows)
    counts = []
    for oid in way.oids:
        varbind = rows.one(oid)
        if varbind is None and way.where_present:
            continue
        count = _count(varbind)
        if count is None:
            meters.missing[name] = _why(oid, varbind)
            return False
        counts.append((oid, count))
    if not counts:
        meters.missing[name] = f"it has none of {len(way.oids)} rows, {way.oids[0]} and on"
        return False
    if len(counts) < len(way.oids):
        meters.incomplete.add(name)
    return _put(meters, name, sum(n for _, n in counts), [oid for oid, _ in counts], way.unit)


def _read_one(meters: Meters, name: str, way: MeterRow, oid: str, rows: Rows) -> bool:
    varbind = rows.one(oid)
    count = _count_in_text(rows, varbind, way.pattern) if way.pattern else _count(varbind)
    if count is None:
        meters.missing[name] = _why(oid, varbind)
        return False
    return _put(meters, name, count, [oid], way.unit)


def _add_records(meters: Meters, name: str, way: MeterRow, rows: Rows) -> bool:
    """Counts within one octet string; all of them must be there."""
    [oid] = way.oids
    varbind = rows.one(oid)
    value = varbind.value if varbind else None
    counts = counts_in(value) if isinstance(value, bytes) else {}
    added = [counts.get(tag) for tag in way.records]
    known = [count for count in added if count is not None]
    if len(known) == len(added):
        return _put(meters, name, sum(known), [oid], way.unit)
    tags = ", ".join(f"0x{tag:02x}" for tag in way.records)
    meters.missing[name] = f"{oid} holds no record {tags}" if varbind else _why(oid, None)
    return False


def _add_rows(meters: Meters, name: str, way: MeterRow, rows: Rows) -> bool:
    """The sum of the rows that the profile says belong together; each must count."""
    column = way.column or ""
    cells = {at: cell for at, cell in rows.column(column).items() if _wanted(way, rows, at)}
    counts = {at: count for at, cell in cells.items() if (count := _count(cell)) is not None}
    if not way.add and len({_said(way, rows, at) for at in cells}) < len(cells):
        meters.missing[name] = f"several rows of {column} are called the same"
    elif not cells or len(counts) < len(cells):
        blank = next((cell for at, cell in cells.items() if at not in counts), None)
        meters.missing[name] = _why(blank.oid if blank else column, blank)
    else:
        sources = [cell.oid for cell in cells.values()]
        return _put(meters, name, sum(counts.values()), sources, way.unit)
    return False


def _read_table(meters: Meters, name: str, way: MeterRow, rows: Rows) -> bool:
    """The one row of a table that counts.

    Several that do are not added: nobody said whether they count other pages or the same.
    """
    column = way.column or ""
    cells = rows.column(column)
    if way.where:
        cells = {at: cell for at, cell in cells.items() if _wanted(way, rows, at)}
    counted = {at: count for at, cell in cells.items() if (count := _count(cell)) is not None}
    if not counted:
        one = next(iter(cells.values()), None)
        meters.missing[name] = _why(one.oid if one else column, one)
        return False
    moving = [at for at, count in counted.items() if count]
    if len(moving) > 1:
        each = ", ".join(f"{at}: {count}" for at, count in counted.items())
        meters.missing[name] = f"several rows of {column} count ({each}); which is it?"[:1000]
        for at in moving if way.each_as else []:
            own_name = f"{way.each_as}_{at.replace('.', '_')}"
            _put(meters, own_name, counted[at], [cells[at].oid], _unit(way, rows, at))
        return False
    at = next(iter(moving or counted))
    return _put(meters, name, counted[at], [cells[at].oid], _unit(way, rows, at))


def _put(meters: Meters, name: str, count: int, sources: list[str], unit: str | None) -> bool:
    if count >= 2**63 or len(meters.counts) >= MAX_METERS or len(name) > 63:
        meters.missing[name] = f"{count} is more than can be kept"
        return False
    meters.counts[name] = count
    meters.sources[name] = sources
    if unit and unit != usual_unit(name):
        meters.units[name] = unit
    return True


def _count(varbind: Varbind | None) -> int | None:
    """A count as the device gives it; None for a negative code (-1, -2: not metered)."""
    value = integer(varbind)
    return value if value is not None and value >= 0 else None


def _count_in_text(rows: Rows, varbind: Varbind | None, pattern: re.Pattern[str]) -> int | None:
    said = pattern.search(rows.as_text(varbind) or "")
    digits = said.group(1) if said else ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


@lru_cache(maxsize=4096)  # devices lack the same rows at each read
def _why(oid: str, varbind: Varbind | None) -> str:
    if varbind is None:
        return f"it has no row {oid}"
    if varbind.type not in COUNT_TYPES:
        return f"{oid} is no number ({varbind.type})"
    return f"{oid} is {varbind.value!r}, which is not metered"


def _wanted(way: MeterRow, rows: Rows, at: str) -> bool:
    return all(
        said == where.equals or said in where.any_of
        for where, said in zip(way.where, _said(way, rows, at), strict=True)
    )


def _said(way: MeterRow, rows: Rows, at: str) -> tuple[int | str, ...]:
    """What the row's cells hold that `where` looks at: numbers or texts, "" for neither."""
    said: list[int | str] = []
    for where in way.where:
        number = rows.integer(where.column, at)
        said.append((rows.text(where.column, at) or "") if number is None else number)
    return tuple(said)


def _unit(way: MeterRow, rows: Rows, at: str) -> str | None:
    if way.unit_column is None:
        return way.unit
    code = rows.integer(way.unit_column, at)
    return "not stated" if code is None else COUNTER_UNITS.get(code, f"unit {code}")


def _leave_out_what_does_not_add_up(meters: Meters, profile: Profile) -> None:
    for check in profile.checks:
        parts = {name: meters.counts[name] for name in check.parts if name in meters.counts}
        whole = meters.counts.get(check.whole)
        if whole is None:
            doubtful = {name for name in parts if name in meters.incomplete}
            reason = f"without {check.whole} nothing shows that all its rows are there"
        elif parts and sum(parts.values()) != whole:
            meters.adds_up = False
            doubtful = set(parts)
            said = " + ".join(f"{name} {count}" for name, count in parts.items())
            reason = f"{said} is not {check.whole} {whole}"
        else:
            continue
        for name in sorted(doubtful):
            meters.missing[name] = reason
            _leave_out(meters, name)
        if doubtful:
            meters.notes.append(f"left out {' and '.join(sorted(doubtful))}: {reason}"[:1000])


def _leave_out(meters: Meters, name: str) -> None:
    meters.counts.pop(name, None)
    meters.sources.pop(name, None)
    meters.units.pop(name, None)
