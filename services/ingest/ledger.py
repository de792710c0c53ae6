"""The ledger: a site's messages in the order of their commit, chained by digest."""

from __future__ import annotations

import hashlib
from datetime import datetime

from msgspec import Struct

from services.ingest.sites import Site
from shared.store.postgres import Connection

# The customer's row is locked first, because two sites may show one device. A row that was waited
# for comes as it is then.
_LOCK = """
    with customer_lock as materialized (
        select from customer where id = %s for no key update
    ), own_head as materialized (
        select length, head from site_head
        where site_id = %s and exists (select from customer_lock) for update
    )
    select length, head, clock_timestamp() as now,
        message_month(now()), message_month(now() + interval '1 month')
    from own_head
"""


class Ledger(Struct, frozen=True, gc=False):
    """A site's chain of digests: its head is SHA-256(head before || digest)."""

    length: int
    head: bytes

    def after(self, digest: bytes) -> Ledger:
        return Ledger(self.length + 1, hashlib.sha256(self.head + digest).digest())


async def lock_ledger(connection: Connection, site: Site) -> tuple[Ledger, datetime]:
    """The site's ledger and the instant, alone for this transaction."""
    cursor = await connection.execute(_LOCK, (site.customer_id, site.id))
    row = await cursor.fetchone()
    assert row is not None, "a site is made with its head"
    return Ledger(row["length"], bytes(row["head"])), row["now"]
