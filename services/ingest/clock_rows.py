"""Keeping what a site's clock showed at its contacts: the table clock_sample."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.ingest.clock import Clocks, Contact, usable
from services.ingest.envelope import Batch
from services.ingest.sites import Site
from shared.store.postgres import Connection

# From the last contact at which a number was not given yet; of a spool that has none such, from
# some time before its first.
_KNOWN = """
    select spool = %(spool)s as own, last, sent_at, arrived_at from clock_sample
    where site_id = %(site)s and arrived_at >= coalesce(
        (
            select arrived_at from clock_sample
            where site_id = %(site)s and spool = %(spool)s and last < %(n)s
            order by arrived_at desc limit 1
        ),
        coalesce(
            (select min(arrived_at) from clock_sample
                where site_id = %(site)s and spool = %(spool)s),
            %(arrived)s
        ) - interval '7 days'
    )
    order by arrived_at limit 500
"""
# Goes before it in one statement, for each batch pays for its way to the database. A contact that
# shows nothing new is kept once an hour.
_NOTE = """
    with newest as (
        select offset_s, arrived_at from clock_sample
        where site_id = %(site)s and spool = %(spool)s
        order by arrived_at desc limit 1
    ), kept as (
        insert into clock_sample (site_id, spool, sent_at, arrived_at, last)
        select %(site)s, %(spool)s, %(sent)s, %(arrived)s, %(last)s
        where not exists (
            select from newest
            where abs(offset_s - extract(epoch from %(arrived)s - %(sent)s)) <= 1
                and %(arrived)s < arrived_at + interval '1 hour'
        )
        on conflict do nothing
    )
"""


async def note_contact(connection: Connection, site: Site, batch: Batch) -> Clocks:
    """Keep what the site's clock showed as it sent a batch, and give what is known of it."""
    sent_at = usable(batch.sent_at)
    if sent_at is None:
        return Clocks(batch.arrived_at, [])
    cursor = await connection.execute(
        _NOTE + _KNOWN,
        {
            "site": site.id,
            "spool": batch.spool,
            "n": min((line.n for line in batch.lines), default=batch.last + 1),
            "arrived": batch.arrived_at,
            "sent": sent_at,
            "last": batch.last,
        },
    )
    known = _contacts(await cursor.fetchall())
    return Clocks(batch.arrived_at, [*known, Contact(sent_at, batch.arrived_at, batch.last)])


async def clocks_around(
    connection: Connection, site: Site, spool: UUID, n: int, now: datetime
) -> Clocks:
    """What is known of the site's clock since a message of this number was spooled."""
    cursor = await connection.execute(
        _KNOWN, {"site": site.id, "spool": spool, "n": n, "arrived": now}
    )
    return Clocks(now, _contacts(await cursor.fetchall()))


def _contacts(rows: list[dict[str, Any]]) -> list[Contact]:
    return [
        Contact(row["sent_at"], row["arrived_at"], row["last"] if row["own"] else None)
        for row in rows
    ]
