"""Noting whose read it is: the tables device, evidence and assignment, which touch no read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.ingest.identity import (
    KnownDevice,
    Placing,
    Sighting,
    device_key,
    owned,
    place,
    without_serial,
)
from services.ingest.sites import Site
from shared.identity import usable_mac
from shared.messages import MeterRead
from shared.store.postgres import Connection, copy_rows

_KNOWN = """
    select d.id, d.key, d.held_because, a.site_id
    from device d left join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    where d.customer_id = %s and d.key = any(%s)
"""
_OWNERS = "select mac, key, model from device where customer_id = %s and mac = any(%s) order by id"
_SHOWN = """
    update device d set mac = came.mac, model = came.model
    from unnest(%s::text[], %s::text[], %s::text[]) as came (key, mac, model)
    where d.customer_id = %s and d.key = came.key
        and (d.mac, d.model) is distinct from (came.mac, came.model)
"""
_PLACED_BEFORE = """
    select r.id, r.round_id, r.target, r.mac, r.model, d.key
    from read r
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
    join device d on d.id = e.device_id
    where r.site_id = %s and r.round_id = any(%s) and d.key = any(%s) and r.id <> all(%s)
"""
_NEW_DEVICES = """
    with made as (
        insert into device (customer_id, key, first_read_at)
        select %s, key, at from unnest(%s::text[], %s::timestamptz[]) as fresh (key, at)
        returning id, key
    ), assigned as (
        insert into assignment (device_id, site_id) select id, %s from made
    )
    select id, key from made
"""


async def note_devices(connection: Connection, site: Site, reads: Sequence[MeterRead]) -> None:
    """Write the evidence of reads that have none. The caller holds the customer's lock."""
    if not reads:
        return
    sightings = await _sightings(connection, site, reads)
    keys = list({sighting.key for sighting in sightings if sighting.key})
    cursor = await connection.execute(_KNOWN, (site.customer_id, keys))
    found = await cursor.fetchall()
    ids: dict[str, int] = {row["key"]: row["id"] for row in found}
    known = {row["key"]: KnownDevice(row["site_id"], row["held_because"]) for row in found}
    rounds = list({sighting.round_id for sighting in sightings})
    own = [sighting.read_id for sighting in sightings]
    cursor = await connection.execute(_PLACED_BEFORE, (site.id, rounds, keys, own))
    before = [
        Sighting(
            row["id"],
            row["round_id"],
            row["target"],
            usable_mac(row["mac"]),
            row["model"],
            row["key"],
        )
        for row in await cursor.fetchall()
    ]
    placing = place(site.id, sightings, known, before)
    first_at = _first_reads(sightings, reads)
    new = {key: at for key, at in first_at.items() if key not in ids}
    if new:
        cursor = await connection.execute(
            _NEW_DEVICES, (site.customer_id, list(new), list(new.values()), site.id)
        )
        ids.update({row["key"]: row["id"] for row in await cursor.fetchall()})
    # late messages are ordinary: a device may turn out to be known for longer
    await connection.execute(
        "update device d set first_read_at = came.at"
        " from unnest(%s::text[], %s::timestamptz[]) as came (key, at)"
        " where d.customer_id = %s and d.key = came.key and came.at < d.first_read_at",
        (list(first_at), list(first_at.values()), site.customer_id),
    )
    shown = {it.key: it for it in sightings if it.key and it.mac and not without_serial(it)}
    await connection.execute(
        _SHOWN,
        (
            *([*shown], [it.mac for it in shown.values()], [it.model for it in shown.values()]),
            site.customer_id,
        ),
    )
    await copy_rows(
        connection,
        "evidence",
        "site_id, read_id, device_id, held_because",
        (_evidence(site.id, read_id, placing, ids) for read_id in own),
    )
    await _quarantine(connection, site, placing, set(own))


async def _sightings(
    connection: Connection, site: Site, reads: Sequence[MeterRead]
) -> list[Sighting]:
    sightings = [_sighting(site, read) for read in reads]
    macs = {it.mac for it in sightings if it.mac and without_serial(it)}
    if not macs:
        return sightings
    cursor = await connection.execute(_OWNERS, (site.customer_id, list(macs)))
    owners = {row["mac"]: (row["key"], row["model"]) for row in await cursor.fetchall()}
    for it in sightings:
        if it.key and it.mac and not without_serial(it):
            owners[it.mac] = it.key, it.model
    return [owned(sighting, owners) for sighting in sightings]


def _sighting(site: Site, read: MeterRead) -> Sighting:
    key, held_because = device_key(site.name, read.device)
    mac = usable_mac(read.device.mac)
    model = read.device.model
    return Sighting(read.id, read.round, read.target.key, mac, model, key, held_because)


def _first_reads(sightings: Sequence[Sighting], reads: Sequence[MeterRead]) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for sighting, read in zip(sightings, reads, strict=True):
        if sighting.key:
            first[sighting.key] = min(first.get(sighting.key, read.taken_at), read.taken_at)
    return first


def _evidence(
    site_id: int, read_id: UUID, placing: Placing, ids: dict[str, int]
) -> tuple[int, UUID, int | None, str | None]:
    key = placing.device_keys.get(read_id)
    return site_id, read_id, ids[key] if key else None, placing.held.get(read_id)


async def _quarantine(connection: Connection, site: Site, placing: Placing, own: set[UUID]) -> None:
    for key, reason in placing.quarantined.items():
        await connection.execute(
            "update device set held_because = %s where customer_id = %s and key = %s",
            (reason, site.customer_id, key),
        )
    for read_id in placing.held.keys() - own:
        await connection.execute(
            "update evidence set device_id = null, held_because = %s"
            " where site_id = %s and read_id = %s",
            (placing.held[read_id], site.id, read_id),
        )
