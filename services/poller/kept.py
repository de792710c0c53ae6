"""Which varbinds stay with a read, so that its meters can be explained and made anew; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.poller.mib import SYS_OBJECT_ID
from services.poller.profile import Profile
from services.poller.rows import Rows, raw
from shared.snmp.port import Varbind

MAX_VARBINDS = 500
MAX_KEPT = 4096  # octets of a read's varbinds in JSON; those behind its counts stay beyond that
RawVarbind = tuple[str, int | str | None]  # type and value, as a message keeps them


def kept(
    rows: Rows, profile: Profile, told_by: list[Varbind], used: set[str]
) -> tuple[dict[str, RawVarbind], int]:
    """What told the identity, every row behind a count, and of the other rows what has room.

    And how many of those had none.
    """
    behind: list[Varbind | None] = [rows.one(SYS_OBJECT_ID), *told_by]
    beside: list[Varbind | None] = []
    for way in profile.counter_rows:
        for oid in way.oids:
            (behind if oid in used else beside).append(rows.one(oid))
        if way.column is None:
            continue
        taken = {at for at, cell in rows.column(way.column).items() if cell.oid in used}
        for column in way.columns:
            for at, cell in rows.column(column).items():
                (behind if at in taken else beside).append(cell)
    found, more = _raw(behind), _raw(beside)
    if not more:
        return found, 0
    room = MAX_KEPT - _octets(found)
    if _octets(more) <= room and len(found) + len(more) <= MAX_VARBINDS:
        return more | found, 0
    left_out = 0
    for oid, value in more.items():
        room -= _octets({oid: value})
        if room < 0 or len(found) >= MAX_VARBINDS:
            left_out += oid not in found
        else:
            found.setdefault(oid, value)
    return found, left_out


def _raw(varbinds: Iterable[Varbind | None]) -> dict[str, RawVarbind]:
    found: dict[str, RawVarbind] = {}
    for varbind in varbinds:
        value = raw(varbind) if varbind else None
        if varbind is not None and value is not None:
            found[varbind.oid] = value
    return found


def _octets(found: Mapping[str, RawVarbind]) -> int:
    """Of varbinds in JSON."""
    return sum(len(oid) + len(kind) + len(str(value)) + 11 for oid, (kind, value) in found.items())
