"""Serial numbers that wait for a person because their board may have been another device's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.ingest.boards import spelled_alike
from services.ingest.identity import Sighting
from services.ingest.sites import Site
from services.ingest.stay_rows import make_stays
from shared.store.postgres import Connection

_ROUNDS = """
    select r.round_id, e.device_id is null as held
    from read r join evidence e on e.site_id = r.site_id and e.read_id = r.id
    where r.site_id = %s and r.round_id = any(%s) and (e.device_id = %s or e.held_because = %s)
"""


class Waiting(NamedTuple):
    """A new serial number whose reads wait, for its board may have been the other device's."""

    id: int
    key: str
    held_because: str
    other_id: int
    other: str


async def let_go(
    connection: Connection, site: Site, sightings: Sequence[Sighting], waiting: Sequence[Waiting]
) -> bool:
    """Give reads back to a new serial number that answers in one round with the one whose board
    it was to have: they are two devices, behind one box, and no person needs to say so.

    Whether any was given back.
    """
    if not waiting:
        return False
    given = False
    rounds: dict[str, set[object]] = {}
    for sighting in sightings:
        if sighting.key:
            rounds.setdefault(sighting.key, set()).add(sighting.round_id)
    for it in waiting:
        held, other = set(rounds.get(it.key, ())), set(rounds.get(it.other, ()))
        if not (held or other) or spelled_alike(it.key, it.other):
            continue
        cursor = await connection.execute(
            _ROUNDS, (site.id, list(held | other), it.other_id, it.held_because)
        )
        for earlier in await cursor.fetchall():
            (held if earlier["held"] else other).add(earlier["round_id"])
        if held & other:
            await unlock(connection, it.id)
            await give_back(connection, site, it.id, it.held_because)
            given = True
    return given


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
