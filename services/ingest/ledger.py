"""The ledger: a site's messages in the order of their commit, chained by digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from services.ingest.sites import Site
from shared.store.postgres import Connection, Cursor


@dataclass(frozen=True)
class Ledger:
    """A site's chain of digests: its head is SHA-256(head before || digest)."""

    length: int
    head: bytes

    def after(self, digest: bytes) -> Ledger:
        return Ledger(self.length + 1, hashlib.sha256(self.head + digest).digest())


async def lock_ledger(connection: Connection, site: Site) -> tuple[Ledger, datetime]:
    """The site's ledger and the instant, alone for this transaction."""
    return await ledger_in(await ask_ledger(connection, site))


async def ask_ledger(connection: Connection, site: Site) -> Cursor:
    """As `lock_ledger`, without waiting for it where the connection is in a pipeline.

    The customer's row is locked first, because two sites may show one device.
    """
    await connection.execute(
        "select 1 from customer where id = %s for no key update", (site.customer_id,)
    )
    cursor = await connection.execute(
        "select length, head, clock_timestamp() as now from site_head where site_id = %s"
        " for update",
        (site.id,),
    )
    await connection.execute(
        "select message_month(now()), message_month(now() + interval '1 month')"
    )
    return cursor


async def ledger_in(cursor: Cursor) -> tuple[Ledger, datetime]:
    row = await cursor.fetchone()
    assert row is not None, "a site is made with its head"
    return Ledger(row["length"], bytes(row["head"])), row["now"]
