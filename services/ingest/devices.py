"""Noting whose read it is: the tables device, evidence and assignment, which touch no read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.ingest.boards import Holder, Macs
from services.ingest.holding import hold_hidden, quarantine
from services.ingest.identity import (
    KnownDevice,
    Placing,
    Sighting,
    device_key,
    holder,
    key_of_mac,
    owned,
    place,
    without_serial,
)
from services.ingest.sites import Site
from services.ingest.stay_rows import note_stays
from services.ingest.waiting import let_go
from shared.identity import usable_mac
from shared.messages import MeterRead
from shared.store.postgres import Connection, copy_rows

_KNOWN = """
    select d.id, d.key, d.held_because, d.held_as, d.held_at, d.first_read_at, a.site_id
    from device d left join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    where d.customer_id = %s and d.key = any(%s)
"""
_HOLDERS = """
    select s.value as mac, d.key, s.site_id, s.model, s.first_at, s.last_at, s.first_round,
        s.last_round
    from device_stay_seen s join device d on d.id = s.device_id
    where s.site_id in (select id from site where customer_id = %s) and s.kind = 'mac'
        and s.value = any(%s) and d.key like 'serial %%'
"""
_PLACED_BEFORE = """
    select r.id, r.round_id, r.target, r.mac, r.model, r.billed_at, d.key
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


async def note_devices(
    connection: Connection, site: Site, reads: Sequence[tuple[MeterRead, datetime]]
) -> None:
    """Write the evidence of reads that have none, each with when it is billed at. The caller holds
    the customer's lock."""
    if not reads:
        return
    sightings = [_sighting(site, read, billed_at) for read, billed_at in reads]
    await let_go(connection, site, sightings)
    keys = {sighting.key for sighting in sightings if sighting.key}
    by_mac = {key_of_mac(site.name, it.mac) for it in sightings if it.mac}
    cursor = await connection.execute(_KNOWN, (site.customer_id, list(keys | by_mac)))
    found = await cursor.fetchall()
    ids: dict[str, int] = {row["key"]: row["id"] for row in found}
    known = {
        row["key"]: KnownDevice(row["site_id"], row["held_because"], row["held_as"], row["held_at"])
        for row in found
    }
    holders = await _holders(connection, site, sightings, known)
    macs = _with_own(site, sightings, holders)
    sightings = [owned(it, macs.owner(it.mac, it.billed_at)) for it in sightings]
    beside = {each.key for _, each in holders if each.site_id == site.id}
    before = await _placed_before(connection, site, sightings, keys | beside)
    placing = place(site.id, sightings, known, before, Macs(holders))
    since = {row["key"]: row["first_read_at"] for row in found}
    ids |= await _note_first_reads(connection, site, sightings, since)
    own = [sighting.read_id for sighting in sightings]
    await copy_rows(
        connection,
        "evidence",
        "site_id bigint, read_id uuid, device_id bigint, held_because text",
        (_evidence(site.id, read_id, placing, ids) for read_id in own),
    )
    placed = [(placing.device_keys.get(it.read_id), it) for it in sightings]
    await note_stays(connection, site, [(ids[key], it) for key, it in placed if key])
    await quarantine(connection, site, placing, ids)
    await hold_hidden(connection, site, sightings, macs, ids)


def _sighting(site: Site, read: MeterRead, billed_at: datetime) -> Sighting:
    key, held_because = device_key(site.name, read.device, read.target)
    return Sighting(
        *(read.id, read.round, read.target.key, usable_mac(read.device.mac), read.device.model),
        *(key, billed_at, held_because),
    )


async def _holders(
    connection: Connection,
    site: Site,
    sightings: Iterable[Sighting],
    known: Collection[str],
) -> list[tuple[str, Holder]]:
    """Who had the MAC addresses of devices that are new, or lack their serial number now or in
    another read."""
    macs = {
        it.mac
        for it in sightings
        if it.mac
        and (without_serial(it) or it.key not in known or key_of_mac(site.name, it.mac) in known)
    }
    if not macs:
        return []
    cursor = await connection.execute(_HOLDERS, (site.customer_id, list(macs)))
    return [
        (
            row["mac"],
            Holder(
                *(row["key"], row["site_id"], row["model"], row["first_at"], row["last_at"]),
                frozenset({row["first_round"], row["last_round"]}),
            ),
        )
        for row in await cursor.fetchall()
    ]


def _with_own(
    site: Site, sightings: Sequence[Sighting], holders: Iterable[tuple[str, Holder]]
) -> Macs:
    macs = Macs(holders)
    for it in sightings:
        if shown := holder(site.id, it):
            macs.note(it.mac or "", shown)
    return macs


async def _placed_before(
    connection: Connection, site: Site, sightings: Sequence[Sighting], keys: Iterable[str]
) -> list[Sighting]:
    rounds = list({sighting.round_id for sighting in sightings})
    own = [sighting.read_id for sighting in sightings]
    cursor = await connection.execute(_PLACED_BEFORE, (site.id, rounds, list(keys), own))
    return [
        Sighting(
            *(row["id"], row["round_id"], row["target"], usable_mac(row["mac"]), row["model"]),
            *(row["key"], row["billed_at"]),
        )
        for row in await cursor.fetchall()
    ]


async def _note_first_reads(
    connection: Connection,
    site: Site,
    sightings: Iterable[Sighting],
    since: Mapping[str, datetime],
) -> dict[str, int]:
    """Make the devices that are new, and give their ids by key; of the others note where they
    turn out to be known for longer: late messages are ordinary."""
    first: dict[str, datetime] = {}
    for it in sightings:
        if it.key:
            first[it.key] = min(first.get(it.key, it.billed_at), it.billed_at)
    longer = {key: at for key, at in first.items() if key in since and at < since[key]}
    if longer:
        await connection.execute(
            "update device d set first_read_at = came.at"
            " from unnest(%s::text[], %s::timestamptz[]) as came (key, at)"
            " where d.customer_id = %s and d.key = came.key and came.at < d.first_read_at",
            (list(longer), list(longer.values()), site.customer_id),
        )
    new = {key: at for key, at in first.items() if key not in since}
    if not new:
        return {}
    cursor = await connection.execute(
        _NEW_DEVICES, (site.customer_id, list(new), list(new.values()), site.id)
    )
    return {row["key"]: row["id"] for row in await cursor.fetchall()}


def _evidence(
    site_id: int, read_id: UUID, placing: Placing, ids: dict[str, int]
) -> tuple[int, UUID, int | None, str | None]:
    key = placing.device_keys.get(read_id)
    return site_id, read_id, ids[key] if key else None, placing.held.get(read_id)
