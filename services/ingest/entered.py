"""Entering meters by hand: appended to the ledger of the device's site, beside what was read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.ingest.ledger import Ledger, lock_ledger
from services.ingest.sites import AdminError, Site
from shared.messages import usual_unit
from shared.store.entered import (
    METER_NAMES,
    EnteredMeter,
    Entry,
    Metered,
    counts_around,
    devices_called,
    entries_with_id,
    entry_at,
    note_known_since,
)
from shared.store.postgres import Connection, Store
from shared.text import clean

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # a report takes no older read for an opening one
_LONGEST = 500  # letters of a name or a reason
_INSERT = """
    insert into entered_meter (site_id, id, ledger_no, replaces, read_at, entered_at, author,
        reason, names, amounts, units, body, digest)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_Counts = Mapping[str, tuple[int, datetime]]


@dataclass(frozen=True)
class Author:
    """Who enters or takes back, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Typed:
    """What somebody typed of a device's counters."""

    meters: Mapping[str, int]
    at: str
    lower_because: str | None = None
    instead_of: UUID | None = None  # an entry that was wrong


async def enter(
    store: Store, place: str, device_name: str, typed: Typed, author: Author
) -> EnteredMeter:
    """
    Args:
        place: the site or the customer of the device.
        device_name: its key, or the last part of it.

    Raises: AdminError, where it cannot be so; StoreError.
    """
    because = typed.lower_because
    async with store.transaction() as connection:
        device = await _device(connection, place, device_name)
        site = Site(device.site_id, device.site, device.customer_id)
        if typed.instead_of:
            site = _site_of(await _in_force(connection, typed.instead_of, device.id))
        ledger, now = await lock_ledger(connection, site)
        read_at = instant_of(typed.at, device.zone)
        await _check(connection, device, typed, read_at, now)
        entered = EnteredMeter(
            id=uuid4(),
            site=site.name,
            device=device.key,
            read_at=read_at,
            entered_at=now,
            author=author.name,
            reason=author.reason,
            meters=dict(typed.meters),
            units={name: usual_unit(name) for name in typed.meters},
            lower_because=because and _line("--lower-because", because),
            replaces=typed.instead_of,
        )
        await _append(connection, site, ledger, device.id, entered)
        await note_known_since(connection, device.id, read_at)
    return entered


async def take_back(store: Store, entry_id: UUID, author: Author) -> EnteredMeter:
    """An entry without meters in the place of a wrong one. Raises: AdminError, StoreError."""
    async with store.transaction() as connection:
        site = _site_of(await _in_force(connection, entry_id))
        ledger, now = await lock_ledger(connection, site)
        wrong = await _in_force(connection, entry_id)
        entered = EnteredMeter(
            id=uuid4(),
            site=site.name,
            device=wrong.entered.device,
            read_at=wrong.entered.read_at,
            entered_at=now,
            author=author.name,
            reason=author.reason,
            meters={},
            units={},
            replaces=entry_id,
        )
        await _append(connection, site, ledger, wrong.device_id, entered)
    return entered


def author_of(name: str, reason: str) -> Author:
    """Raises: AdminError."""
    return Author(_line("--author", name), _line("--reason", reason))


def meters_of(words: Iterable[str]) -> dict[str, int]:
    """NAME=VALUE, each name once. Raises: AdminError."""
    meters: dict[str, int] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in METER_NAMES:
            raise AdminError(f"{name!r} is no meter; these are: {', '.join(sorted(METER_NAMES))}")
        if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
            raise AdminError(f"{word!r}: a count is a whole number of 0 or more, digits alone")
        if name in meters:
            raise AdminError(f"{name} is given twice")
        meters[name] = int(value)
    return meters


def instant_of(text: str, zone: str) -> datetime:
    """An instant with its offset, or as clocks in `zone` show it. Raises: AdminError."""
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise AdminError(f"--at {text!r}: is written 2026-10-31T18:00 or …T18:00+01:00") from None
    if typed.tzinfo is None:
        first, second = (typed.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            raise AdminError(
                f"--at {text}: clocks in {zone} were set then; add the offset from UTC to it"
            )
        typed = first
    if typed < _EARLIEST:
        raise AdminError(f"--at {text}: is before 2000")
    return typed.astimezone(UTC)


async def _device(connection: Connection, place: str, name: str) -> Metered:
    found = await devices_called(connection, place, name)
    if not found:
        raise AdminError(
            f"{place} has no device {name!r}; call it by its serial number, by HOST/QUEUE of a"
            ' spooler, or as `pagetally explain READ_ID` says after "billed as"'
        )
    if len(found) > 1:
        keys = ", ".join(repr(each.key) for each in found)
        raise AdminError(f"{place} has several devices {name!r}: {keys}; name one of these")
    [device] = found
    if device.held_because:
        raise AdminError(f"the reads of {device.key!r} are held: {device.held_because}")
    return device


async def _in_force(connection: Connection, entry_id: UUID, device_id: int | None = None) -> Entry:
    """An entry that may be replaced. Raises: AdminError."""
    found = await entries_with_id(connection, entry_id)
    if not found:
        raise AdminError(f"{entry_id}: no entry of a meter; see pagetally admin meter list")
    [entry] = found
    if entry.replaced_by:
        raise AdminError(f"{entry_id}: is replaced already, by {entry.replaced_by}")
    if device_id not in (None, entry.device_id):
        raise AdminError(f"{entry_id}: is of another device, {entry.billed_as!r}")
    return entry


def _site_of(entry: Entry) -> Site:
    return Site(entry.site_id, entry.entered.site, entry.customer_id)


async def _check(
    connection: Connection, device: Metered, typed: Typed, read_at: datetime, now: datetime
) -> None:
    if read_at > now:
        raise AdminError(f"--at: {_utc(read_at)} is in the future; the hub has {_utc(now)}")
    if typed.instead_of:
        await _in_force(connection, typed.instead_of, device.id)
    there = await entry_at(connection, device.id, read_at)
    if there not in (None, typed.instead_of):
        raise AdminError(f"it has an entry of that instant; with --instead-of {there} it goes")
    if typed.lower_because:
        return
    around = await counts_around(connection, device.id, read_at, typed.instead_of)
    for fault in _falls(typed.meters, *around):
        raise AdminError(f"{fault}; where that is right, say why with --lower-because")


def _falls(meters: Mapping[str, int], before: _Counts, after: _Counts) -> Iterator[str]:
    for name, count in meters.items():
        if name in before and count < before[name][0]:
            was, at = before[name]
            yield f"{name}: {count} is lower than the {was} of {_utc(at)}"
        if name in after and count > after[name][0]:
            then, at = after[name]
            yield f"{name}: {count} is higher than the {then} of {_utc(at)}"


async def _append(
    connection: Connection, site: Site, ledger: Ledger, device_id: int | None, new: EnteredMeter
) -> None:
    body = new.model_dump_json().encode()
    digest = hashlib.sha256(body).digest()
    ledger = ledger.after(digest)
    await connection.execute(
        _INSERT,
        (
            *(site.id, new.id, ledger.length, new.replaces, new.read_at, new.entered_at),
            *(new.author, new.reason, list(new.meters), list(new.meters.values())),
            *([new.units[name] for name in new.meters], body, digest),
        ),
    )
    await connection.execute(
        "insert into evidence (site_id, read_id, device_id, held_because) values (%s, %s, %s, %s)",
        (site.id, new.id, device_id, None if device_id else "the entry that it replaces is held"),
    )
    await connection.execute(
        "update site_head set length = %s, head = %s where site_id = %s",
        (ledger.length, ledger.head, site.id),
    )


def _line(option: str, text: str) -> str:
    line = clean(text, _LONGEST + 1)
    if line is None or len(line) > _LONGEST:
        raise AdminError(f"{option}: has 1 to {_LONGEST} letters")
    return line


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
