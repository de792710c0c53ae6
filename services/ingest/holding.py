"""What comes late may tell of reads that were placed before: they are held then, as if it had come
in its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.ingest.boards import Macs
from services.ingest.identity import Placing, Sighting, holder, key_of_mac, owned
from services.ingest.sites import Site
from services.ingest.stay_rows import make_stays
from shared.identity import usable_mac
from shared.store.postgres import Connection

_HOLD = """
    update device d set held_because = %s, held_as = %s, held_at = %s,
        instead_of = (select o.id from device o where o.customer_id = d.customer_id and o.key = %s)
    where d.id = %s
"""
_HELD_WITH = """
    update evidence e set device_id = null, held_because = %s
    from read r
    where r.site_id = e.site_id and r.id = e.read_id and e.device_id = %s
        and (r.billed_at > %s or (r.billed_at = %s and %s = 'twins'))
    returning e.site_id
"""
_PLACED_HIDDEN = """
    select d.id as device_id, r.id, r.round_id, r.target, r.mac, r.model, d.key, r.billed_at
    from device d
    join evidence e on e.device_id = d.id and e.site_id = %s
    join read r on r.site_id = e.site_id and r.id = e.read_id
    where d.id = any(%s) and r.billed_at >= %s
"""
# a device that no read, entry or decision is of was none
_NONE_LEFT = (
    """
    delete from assignment where device_id = any(%(ids)s) and device_id not in (
        select device_id from evidence where device_id = any(%(ids)s)
        union all select device_id from decision where device_id = any(%(ids)s)
        union all select instead_of from device where instead_of = any(%(ids)s)
    )
    """,
    """
    delete from device d where id = any(%(ids)s)
        and not exists (select from assignment a where a.device_id = d.id)
    """,
    """
    update device d set first_read_at = coalesce((
        select min(p.billed_at) from placed_read p where p.device_id = d.id
    ), first_read_at)
    where id = any(%(ids)s)
    """,
)


async def quarantine(
    connection: Connection, site: Site, placing: Placing, ids: Mapping[str, int]
) -> None:
    """Hold keys, and those of their reads that were placed and are of the time that is held."""
    for key, hold in placing.quarantined.items():
        device = ids[key]
        await connection.execute(
            _HOLD, (hold.because, hold.held_as, hold.at, hold.instead_of, device)
        )
        cursor = await connection.execute(
            _HELD_WITH, (hold.because, device, hold.at, hold.at, hold.held_as)
        )
        for site_id in {site.id, *(row["site_id"] for row in await cursor.fetchall())}:
            await make_stays(connection, site_id, [device])


async def hold_hidden(
    connection: Connection,
    site: Site,
    sightings: Sequence[Sighting],
    macs: Macs,
    ids: Mapping[str, int],
) -> None:
    """Hold reads without a serial number that are of the time in which a device that has one had
    their MAC address, and were placed before that was known."""
    since: dict[int, datetime] = {}
    for it in sightings:
        device = ids.get(key_of_mac(site.name, it.mac or ""))
        if device and holder(site.id, it):
            since[device] = min(since.get(device, it.billed_at), it.billed_at)
    if not since:
        return
    cursor = await connection.execute(_PLACED_HIDDEN, (site.id, list(since), min(since.values())))
    held: dict[UUID, str] = {}
    changed: set[int] = set()
    for row in await cursor.fetchall():
        mac = usable_mac(row["mac"])
        it = Sighting(
            *(row["id"], row["round_id"], row["target"], mac, row["model"]),
            *(row["key"], row["billed_at"]),
        )
        because = owned(it, macs.owner(mac, it.billed_at)).held_because
        if because:
            held[it.read_id] = because
            changed.add(row["device_id"])
    if not held:
        return
    await connection.execute(
        "update evidence e set device_id = null, held_because = came.because"
        " from unnest(%s::uuid[], %s::text[]) as came (id, because)"
        " where e.site_id = %s and e.read_id = came.id",
        (list(held), list(held.values()), site.id),
    )
    await make_stays(connection, site.id, changed)
    for statement in _NONE_LEFT:
        await connection.execute(statement, {"ids": list(changed)})
