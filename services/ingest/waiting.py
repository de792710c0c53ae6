"""Serial numbers that wait for a person because their board may have been another device's."""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.boards import spelled_alike
from services.ingest.identity import Sighting
from services.ingest.sites import Site
from services.ingest.stay_rows import make_stays
from shared.store.postgres import Connection

_WAITING = """
    select d.id, d.key, d.held_because, o.id as other_id, o.key as other
    from device d join device o on o.id = d.instead_of
    join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    where d.instead_of is not null and a.site_id = %s
"""
_ROUNDS = """
    select r.round_id, e.device_id is null as held
    from read r join evidence e on e.site_id = r.site_id and e.read_id = r.id
    where r.site_id = %s and r.round_id = any(%s) and (e.device_id = %s or e.held_because = %s)
"""


async def let_go(connection: Connection, site: Site, sightings: Sequence[Sighting]) -> None:
    """Give reads back to a new serial number that answers in one round with the one whose board
    it was to have: they are two devices, behind one box, and no person needs to say so."""
    rounds: dict[str, set[object]] = {}
    for it in sightings:
        if it.key:
            rounds.setdefault(it.key, set()).add(it.round_id)
    cursor = await connection.execute(_WAITING, (site.id,))
    for row in await cursor.fetchall():
        held, other = set(rounds.get(row["key"], ())), set(rounds.get(row["other"], ()))
        if not (held or other) or spelled_alike(row["key"], row["other"]):
            continue
        cursor = await connection.execute(
            _ROUNDS, (site.id, list(held | other), row["other_id"], row["held_because"])
        )
        for earlier in await cursor.fetchall():
            (held if earlier["held"] else other).add(earlier["round_id"])
        if held & other:
            await unlock(connection, row["id"])
            await give_back(connection, site, row["id"], row["held_because"])


async def unlock(connection: Connection, device_id: int) -> None:
    """Let the device's later reads be placed."""
    await connection.execute(
        "update device set held_because = null, held_as = null, held_at = null, instead_of = null"
        " where id = %s",
        (device_id,),
    )


async def give_back(connection: Connection, site: Site, device_id: int, because: str) -> None:
    """Give the reads that wait for this reason to the device; a report that was made lacks them."""
    await connection.execute(
        "update evidence set device_id = %s, held_because = null, given_at = clock_timestamp()"
        " where site_id = %s and held_because = %s",
        (device_id, site.id, because),
    )
    await make_stays(connection, site.id, [device_id])
