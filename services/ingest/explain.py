"""From a read to the datagrams' values: what stands behind each of its meters, and behind each
correction of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.ingest.clock import billed_at
from services.ingest.entered_told import of_entry
from services.ingest.sites import AdminError
from shared.clock import clock_off
from shared.decode import decode
from shared.messages import MeterRead, usual_unit
from shared.store.corrections import Correction, corrections_of
from shared.store.entered import entries_with_id
from shared.store.postgres import Store

_MESSAGE = """
    select s.id as site_id, s.name as site, m.ledger_no, m.received_at, m.digest, m.type, m.body,
        m.clock_offset_s, o.repeats, d.key, e.held_because
    from site s
    join outcome o on o.site_id = s.id and o.id = %s
    join message m on m.site_id = o.site_id and m.ledger_no = o.ledger_no
        and m.received_at = o.received_at
    left join evidence e on e.site_id = o.site_id and e.read_id = o.id
    left join device d on d.id = e.device_id
    order by s.name
"""


async def explain(store: Store, read_id: UUID | str, meter: str | None = None) -> list[str]:
    """The varbinds behind every meter of a read, or behind one, as lines of text.

    Raises: AdminError, for an id that is none or of no read, and a meter that it has not.
    """
    try:
        wanted = UUID(str(read_id))
    except ValueError:
        raise AdminError(f"{read_id}: not the id of a read") from None
    async with store.transaction() as connection:
        found = await (await connection.execute(_MESSAGE, (wanted,))).fetchall()
        corrected = {
            row["site"]: await corrections_of(connection, row["site_id"], wanted) for row in found
        }
        entries = await entries_with_id(connection, wanted)
    lines = []
    for row in found:
        message = decode(row["type"], bytes(row["body"]))
        if isinstance(message, MeterRead):
            made = corrected[row["site"]]
            in_force = made[-1][1] if made else None
            lines += [*_of_read(message, row), *_of_corrections(made)]
            lines += _of_meters(message, in_force, meter)
    lines += [line for entry in entries for line in of_entry(entry, meter)]
    if not lines:
        raise AdminError(f"{wanted}: the hub has no read of this id")
    return lines


def _of_read(read: MeterRead, row: dict[str, Any]) -> Iterator[str]:
    device = read.device
    named = " ".join(part for part in (device.make, device.model) if part) or "unnamed device"
    yield f"read {read.id}"
    yield f"  device       {named}, serial {device.serial or 'not reported'}"
    yield f"  billed as    {row['key'] or 'held: ' + str(row['held_because'])}"
    yield f"  target       {read.target.key}, site {row['site']}, agent {read.agent}"
    yield f"  taken at     {_utc(billed_at(read.taken_at, row['clock_offset_s']))}"
    if row["clock_offset_s"]:
        yield f"  site clock   {_utc(read.taken_at)}, {clock_off(row['clock_offset_s'], 0)}"
    yield f"  received at  {_utc(row['received_at'])}, again {row['repeats']} times"
    yield f"  profile      {read.profile}"
    yield f"  ledger       {row['site']} no. {row['ledger_no']}, SHA-256 {row['digest'].hex()}"


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _of_corrections(made: Sequence[tuple[int, Correction]]) -> Iterator[str]:
    for ledger_no, each in made:
        yield f"  corrected    {_utc(each.corrected_at)} by {each.author}"
        yield f"               profile {each.profile}, ledger no. {ledger_no}: {each.reason}"
        for note in each.notes:
            yield f"               {note}"


def _of_meters(read: MeterRead, in_force: Correction | None, meter: str | None) -> Iterator[str]:
    now = in_force or read
    names = sorted({*read.meters, *now.meters})
    if meter is not None and meter not in names:
        raise AdminError(f"{read.id}: has no meter {meter!r}; it has {', '.join(names) or 'none'}")
    if not now.meters:
        yield f"no meters: {now.no_meters_because}"
    for name in [meter] if meter else names:
        if in_force is None:
            yield f"{name} = {_count(read, name)}"
            yield from _sources(read, read, name)
            continue
        yield f"{name} = {_count(in_force, name)}, as read {_count(read, name)}"
        for which, each in (("corrected", in_force), ("as read", read)):
            if name in each.meters:
                yield f"  {which} by {each.profile}"
                yield from _sources(read, each, name)


def _count(read: MeterRead | Correction, name: str) -> str:
    if name not in read.meters:
        return "not reported"
    return f"{read.meters[name]} {read.units.get(name) or usual_unit(name)}"


def _sources(read: MeterRead, named_by: MeterRead | Correction, name: str) -> Iterator[str]:
    sources = named_by.sources.get(name, [])
    if not sources:
        yield "  the read names no source"
    for source in sources:
        held = read.varbinds.get(source) or read.attributes.get(source)
        if held:
            kind, value = held
            yield f"  {source}  {kind}  {'no value' if value is None else value}"
        else:
            yield f"  {source}  not among the read's varbinds"
