"""Keeping what a site's clock showed at its contacts: the table clock_sample."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.ingest.clock import Clocks, Contact, usable
from services.ingest.envelope import Batch
from services.ingest.sites import Site
from shared.store.postgres import Connection

# One statement, for each batch pays for its way to the database. A contact that shows nothing new
# is kept once an hour; those before the last at which none of the batch's messages was spooled
# cannot be meant.
_CONTACT = """
    with since as (
        select max(arrived_at) as at from clock_sample
        where site_id = %(site)s and spool = %(spool)s and last < %(first)s
    ), newest as (
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
    select c.spool = %(spool)s as own, c.last, c.sent_at, c.arrived_at
    from clock_sample c cross join since
    where c.site_id = %(site)s and c.arrived_at >= coalesce(since.at, '-infinity')
    order by c.arrived_at desc limit 500
"""

_AROUND = """
    select spool = %(spool)s as own, last, sent_at, arrived_at from clock_sample
    where site_id = %(site)s and arrived_at >= coalesce((
        select max(arrived_at) from clock_sample
        where site_id = %(site)s and spool = %(spool)s and last < %(n)s
    ), '-infinity')
    order by arrived_at limit 500
"""


async def note_contact(connection: Connection, site: Site, batch: Batch) -> Clocks:
    """Keep what the site's clock showed as it sent a batch, and give what is known of it."""
    sent_at = usable(batch.sent_at)
    if sent_at is None:
        return Clocks(batch.arrived_at, [])
    cursor = await connection.execute(
        _CONTACT,
        {
            "site": site.id,
            "spool": batch.spool,
            "sent": sent_at,
            "arrived": batch.arrived_at,
            "last": batch.last,
            "first": min((line.n for line in batch.lines), default=batch.last + 1),
        },
    )
    contacts = [
        Contact(row["sent_at"], row["arrived_at"], row["last"] if row["own"] else None)
        for row in reversed(await cursor.fetchall())
    ]
    return Clocks(batch.arrived_at, [*contacts, Contact(sent_at, batch.arrived_at, batch.last)])


async def clocks_around(
    connection: Connection, site: Site, spool: UUID, n: int, now: datetime
) -> Clocks:
    """What is known of the site's clock around the instant at which a message was spooled."""
    cursor = await connection.execute(_AROUND, {"site": site.id, "spool": spool, "n": n})
    return Clocks(
        now,
        [
            Contact(row["sent_at"], row["arrived_at"], row["last"] if row["own"] else None)
            for row in await cursor.fetchall()
        ],
    )
