"""The typed rows in the database: written as messages come in, and made anew from them."""

from __future__ import annotations

from services.ingest.corrections import put_again
from services.ingest.courses import note_courses
from services.ingest.devices import note_places, place_reads
from services.ingest.ledger import lock_ledger
from services.ingest.rows import StoredMessage, TypedRows, stored, typed_rows
from services.ingest.sites import Site
from services.ingest.stay_rows import make_all_stays
from shared.decode import decode
from shared.store.insert import insert_rows
from shared.store.postgres import Connection, Store

_BATCH = 500
_ROUND = """
    insert into round (site_id, id, kind, agent, started_at, finished_at, interrupted, parts,
        asked, answered, not_printers, packets, bytes)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    on conflict do nothing
"""
_FORGET = (
    "delete from read where site_id = %s",
    "delete from read_failed where site_id = %s",
    "delete from round_name where site_id = %s",
    "delete from round_event where site_id = %s",
    "delete from round where site_id = %s",
    "delete from round_course where site_id = %s",
)


async def store_rounds(connection: Connection, rows: TypedRows) -> None:
    for row in rows.rounds.values():
        await connection.execute(_ROUND, row)


async def rebuild(store: Store, site: Site) -> int:
    """Make a site's typed rows anew from its messages and their corrections; gives how many
    messages that were.

    Whose read it is stays as it is noted; only a read of which nothing is noted is placed.
    """
    count = 0
    async with store.transaction() as connection:
        await connection.execute("set local statement_timeout = 0")
        await lock_ledger(connection, site)
        for statement in _FORGET:
            await connection.execute(statement, (site.id,))
        async with connection.cursor(name="messages") as cursor:
            await cursor.execute(
                "select m.type, m.body, m.received_at, m.clock_offset_s,"
                " e.read_id is not null as placed"
                " from message m"
                " left join evidence e on e.site_id = m.site_id and e.read_id = m.id"
                " where m.site_id = %s order by m.ledger_no",
                (site.id,),
            )
            while fetched := await cursor.fetchmany(_BATCH):
                count += len(fetched)
                messages = [(_message(row["type"], row["body"]), row) for row in fetched]
                anew = [
                    stored(it.id, it, row["received_at"], row["clock_offset_s"])
                    for it, row in messages
                ]
                placed = {it.id for it, row in messages if row["placed"]}
                rows = typed_rows(site.id, anew)
                unplaced = [each for each in rows.reads if each.id not in placed]
                await insert_rows(connection, rows.tables())
                await store_rounds(connection, rows)
                places = await place_reads(connection, site, unplaced)
                if places:
                    await connection.execute(*places.evidence(site))
                    await note_places(connection, site, places)
                await note_courses(connection, site.id, anew)
        await put_again(connection, site)
        await make_all_stays(connection, site)
    return count


def _message(kind: str, body: bytes) -> StoredMessage:
    message = decode(kind, bytes(body))
    assert isinstance(message, StoredMessage)
    return message
