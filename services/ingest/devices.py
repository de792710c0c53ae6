"""Noting whose read it is: the tables device, evidence and assignment, which touch no read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from services.ingest.around import Around, around, placed_before
from services.ingest.boards import Holder, Macs
from services.ingest.holding import hold_hidden, quarantine
from services.ingest.identity import (
    Placing,
    Sighting,
    device_key,
    holder,
    key_of_mac,
    owned,
    place,
    without_serial,
)
from services.ingest.lists import json_array
from services.ingest.rows import Read, Stored
from services.ingest.sites import Site
from services.ingest.stay_rows import make_stays
from services.ingest.waiting import let_go
from shared.identity import usable_mac
from shared.store.postgres import Connection

_HOLDERS = """
    select s.value as mac, d.key, s.site_id, s.model, s.first_at, s.last_at, s.first_round,
        s.last_round
    from device_stay_seen s join device d on d.id = s.device_id
    where s.site_id in (select id from site where customer_id = %s) and s.kind = 'mac'
        and s.value = any(%s) and d.key like 'serial %%'
"""
_EVIDENCE = """
    insert into evidence (site_id, read_id, device_id, held_because)
    select %s, read::uuid, device::bigint, held
    from rows from (
        json_array_elements_text(%s::json), json_array_elements_text(%s::json),
        json_array_elements_text(%s::json)
    ) as it (read, device, held)
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


@dataclass(frozen=True)
class Places:
    """Whose some reads are, and what is to be noted of that once they are stored."""

    sightings: Sequence[Sighting]
    ids: Mapping[str, int]  # of devices, by key
    placing: Placing
    macs: Macs
    same: Collection[str]  # keys of those that are where they were

    def evidence(self, site: Site) -> tuple[LiteralString, Sequence[object]]:
        """The statement that notes it, with its parameters."""
        reads = [it.read_id for it in self.sightings]
        keys = map(self.placing.device_keys.get, reads)
        devices = json_array(self.ids[key] if key else None for key in keys)
        held = json_array(map(self.placing.held.get, reads))
        return _EVIDENCE, (site.id, json_array(reads), devices, held)


async def place_reads(connection: Connection, site: Site, reads: Sequence[Stored]) -> Places | None:
    """Whose reads are that have no evidence; None of none.

    Devices that are new are made. The caller holds the customer's lock, and stores the reads and
    their evidence.
    """
    if not reads:
        return None
    sightings = [_sighting(site, read) for read in reads]
    found = await around(connection, site, sightings)
    if await let_go(connection, site, sightings, found.waiting):
        found = await around(connection, site, sightings)
    asked = _asked_macs(site, sightings, found.known)
    holders = await _holders(connection, site, asked)
    macs = _with_own(site, sightings, Macs(holders, asked))
    sightings = [
        owned(it, macs.owner(it.mac, it.billed_at)) if without_serial(it) else it
        for it in sightings
    ]
    beside = {each.key for _, each in holders if each.site_id == site.id} - found.asked
    if beside:
        rounds = {it.round_id for it in sightings}
        found.placed += await placed_before(connection, site, beside, rounds)
    placing = place(site.id, sightings, found.known, found.placed, Macs(holders, asked))
    new = await _note_first_reads(connection, site, sightings, found)
    return Places(sightings, found.ids | new, placing, macs, found.same)


async def note_places(connection: Connection, site: Site, places: Places) -> None:
    """Note what follows from whose reads are, once they are stored with their evidence."""
    moved = set(places.placing.device_keys.values()).difference(places.same)
    await make_stays(connection, site.id, {places.ids[key] for key in moved})
    await quarantine(connection, site, places.placing, places.ids)
    await hold_hidden(connection, site, places.sightings, places.macs, places.ids)


def _sighting(site: Site, stored: Stored) -> Sighting:
    read = stored.message
    assert isinstance(read, Read)
    key, held_because = device_key(site.name, read.device, read.target)
    mac, target = usable_mac(read.device.mac), read.target.key
    return Sighting(
        stored.id, read.round, target, mac, read.device.model, key, stored.at, held_because
    )


def _asked_macs(
    site: Site, sightings: Iterable[Sighting], known: Collection[str]
) -> frozenset[str]:
    """The MAC addresses of devices that are new, or lack their serial number now or in another
    read: only of these it matters who had them."""
    return frozenset(
        it.mac
        for it in sightings
        if it.mac
        and (without_serial(it) or it.key not in known or key_of_mac(site.name, it.mac) in known)
    )


async def _holders(
    connection: Connection, site: Site, macs: Collection[str]
) -> list[tuple[str, Holder]]:
    """Who had these MAC addresses."""
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


def _with_own(site: Site, sightings: Sequence[Sighting], macs: Macs) -> Macs:
    for it in sightings:
        if macs.asked(it.mac) and (shown := holder(site.id, it)):
            macs.note(it.mac or "", shown)
    return macs


async def _note_first_reads(
    connection: Connection,
    site: Site,
    sightings: Iterable[Sighting],
    found: Around,
) -> dict[str, int]:
    """Make the devices that are new, and give their ids by key; of the others note where they
    turn out to be known for longer: late messages are ordinary."""
    first: dict[str, datetime] = {}
    for it in sightings:
        if it.key and (it.key in found.since or it.key not in found.ids):
            first[it.key] = min(first.get(it.key, it.billed_at), it.billed_at)
    longer = {key: at for key, at in first.items() if key in found.since and at < found.since[key]}
    if longer:
        await connection.execute(
            "update device d set first_read_at = came.at"
            " from unnest(%s::text[], %s::timestamptz[]) as came (key, at)"
            " where d.customer_id = %s and d.key = came.key and came.at < d.first_read_at",
            (list(longer), list(longer.values()), site.customer_id),
        )
    new = {key: at for key, at in first.items() if key not in found.ids}
    if not new:
        return {}
    cursor = await connection.execute(
        _NEW_DEVICES, (site.customer_id, list(new), list(new.values()), site.id)
    )
    return {row["key"]: row["id"] for row in await cursor.fetchall()}
