"""Keeping what a site's clock showed at its contacts: the table clock_sample."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.ingest.clock import Clocks, Contact
from services.ingest.sites import Site
from shared.store.postgres import Connection

# From the last contact at which a number was not given yet; of a spool that has none such, from
# some time before its first.
KNOWN_CONTACTS = """
    select coalesce(spool = %(spool)s, false) as own, last, sent_at, arrived_at
    from clock_sample
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
# Two queries of a WITH. A contact that shows nothing new is kept once an hour.
NOTE_CONTACT = """
    newest_contact as (
        select offset_s, arrived_at from clock_sample
        where site_id = %(site)s and spool = %(spool)s
        order by arrived_at desc limit 1
    ), kept_contact as (
        insert into clock_sample (site_id, spool, sent_at, arrived_at, last)
        select %(site)s, %(spool)s, %(sent)s, %(arrived)s, %(last)s
        where %(sent)s::timestamptz is not null and not exists (
            select from newest_contact
            where abs(offset_s - extract(epoch from %(arrived)s - %(sent)s)) <= 1
                and %(arrived)s < arrived_at + interval '1 hour'
        )
        on conflict do nothing
    )
"""


async def clocks_around(
    connection: Connection, site: Site, spool: UUID, n: int, now: datetime
) -> Clocks:
    """What is known of the site's clock since a message of this number was spooled."""
    cursor = await connection.execute(
        KNOWN_CONTACTS, {"site": site.id, "spool": spool, "n": n, "arrived": now}
    )
    contacts = [
        Contact(row["sent_at"], row["arrived_at"], row["last"] if row["own"] else None)
        for row in await cursor.fetchall()
    ]
    return Clocks(now, contacts)
