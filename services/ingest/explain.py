"""From a read to the datagrams' values: what stands behind each of its meters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from services.ingest.rows import unit_of
from services.ingest.sites import AdminError
from shared.decode import decode
from shared.messages import MeterRead
from shared.store.postgres import Store

_MESSAGE = """
    select s.name as site, m.ledger_no, m.received_at, m.digest, m.type, m.body, o.repeats,
        d.key, e.held_because
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
    lines = []
    for row in found:
        message = decode(row["type"], bytes(row["body"]))
        if isinstance(message, MeterRead):
            lines += [*_of_read(message, row), *_of_meters(message, meter)]
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
    yield f"  taken at     {read.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  received at  {row['received_at']:%Y-%m-%d %H:%M:%S} UTC, again {row['repeats']} times"
    yield f"  profile      {read.profile}"
    yield f"  ledger       {row['site']} no. {row['ledger_no']}, SHA-256 {row['digest'].hex()}"


def _of_meters(read: MeterRead, meter: str | None) -> Iterator[str]:
    if meter is not None and meter not in read.meters:
        has = ", ".join(sorted(read.meters)) or "none"
        raise AdminError(f"{read.id}: has no meter {meter!r}; it has {has}")
    if not read.meters:
        yield f"no meters: {read.no_meters_because}"
    for name in [meter] if meter else sorted(read.meters):
        yield f"{name} = {read.meters[name]} {unit_of(read, name)}"
        sources = read.sources.get(name, [])
        if not sources:
            yield "  the read names no source"
        for source in sources:
            held = read.varbinds.get(source) or read.attributes.get(source)
            if held:
                kind, value = held
                yield f"  {source}  {kind}  {'no value' if value is None else value}"
            else:
                yield f"  {source}  not among the read's varbinds"
