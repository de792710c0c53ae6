"""What the hub knows of a site's spools: their numbers, and when they were heard of."""

from __future__ import annotations

from datetime import datetime

from services.ingest.envelope import Batch
from services.ingest.sites import Site
from shared.store.postgres import Connection


async def note_spool(
    connection: Connection, site: Site, batch: Batch, received_at: datetime
) -> int:
    numbers = "{" + ",".join(f"[{n},{n + 1})" for n in {line.n for line in batch.lines}) + "}"
    last = max([batch.last, *(line.n for line in batch.lines)])
    cursor = await connection.execute(
        "insert into spool as known (site_id, id, numbers, first_unsent, last, clock_offset_s)"
        " values (%s, %s, %s::int8multirange, %s, %s, %s)"
        " on conflict (site_id, id) do update set"
        " numbers = known.numbers + excluded.numbers,"
        " first_unsent = greatest(known.first_unsent, excluded.first_unsent),"
        " last = greatest(known.last, excluded.last),"
        " clock_offset_s = excluded.clock_offset_s, last_seen_at = now()"
        " returning last",
        (
            *(site.id, batch.spool, numbers, batch.first_unsent, last),
            (received_at - batch.sent_at).total_seconds(),
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row["last"])
