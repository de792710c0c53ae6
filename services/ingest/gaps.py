"""What a site's spools gave numbers to, and the hub never had."""

from __future__ import annotations

from services.ingest.sites import Site
from shared.store.gaps import Gap, gaps_of
from shared.store.postgres import Store

__all__ = ["Gap", "gaps"]


async def gaps(store: Store, site: Site) -> list[Gap]:
    """Numbers of this site's spools that the hub has not. Raises: StoreError."""
    async with store.transaction() as connection:
        return [gap for _, gap in await gaps_of(connection, [site.id])]
