"""What a site's spools gave numbers to, and the hub never had."""

from __future__ import annotations

from uuid import UUID

from services.ingest.sites import Site
from shared.store.postgres import Store


async def gaps(store: Store, site: Site) -> list[tuple[UUID, int, int]]:
    """(spool, first, last) of each run of numbers below `first_unsent` that the hub has not."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select id, lower(missing) as first, upper(missing) - 1 as last"
            " from spool, unnest("
            "  int8multirange(int8range(1, greatest(first_unsent, 1))) - numbers) as missing"
            " where site_id = %s order by first_seen_at, id, first",
            (site.id,),
        )
        return [(row["id"], row["first"], row["last"]) for row in await cursor.fetchall()]
