"""Writing corrections: appended to their site's ledger, and put into force in its typed rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from services.ingest.ledger import lock_ledger
from services.ingest.rows import meter_columns
from services.ingest.sites import Site
from shared.store.corrections import Correction
from shared.store.insert import copy_rows
from shared.store.postgres import Connection, Store
from shared.store.reports import sources_id

_BATCH = 500
_COLUMNS = (
    "site_id bigint, id uuid, ledger_no bigint, read_id uuid, replaces uuid, profile text,"
    " author text, reason text, corrected_at timestamptz, body bytea, digest bytea"
)
_IN_FORCE = """
    select body from correction c
    where site_id = %s and not exists (
        select from correction later where later.site_id = c.site_id and later.replaces = c.id
    )
"""
_PUT = """
    update read set profile = %s, basis = %s, large_counts = %s, no_meters_because = %s,
        sources_id = %s, correction_id = %s, corrected_at = %s,
        names = %s::text[], amounts = %s::bigint[], units = %s::text[]
    where site_id = %s and id = %s
"""


async def write_corrections(store: Store, site: Site, corrections: Sequence[Correction]) -> int:
    """Append those whose place nothing has taken yet; gives how many that were.

    All or nothing, alone at this site's ledger. Raises: StoreError.
    """
    async with store.transaction() as connection:
        ledger, _ = await lock_ledger(connection, site)
        cursor = await connection.execute(
            "select replaces from correction where site_id = %s and replaces = any(%s)",
            (site.id, [each.replaces for each in corrections]),
        )
        taken = {row["replaces"] for row in await cursor.fetchall()}
        fresh = [each for each in corrections if each.replaces not in taken]
        rows = []
        for each in fresh:
            body = each.model_dump_json().encode()
            digest = hashlib.sha256(body).digest()
            ledger = ledger.after(digest)
            rows.append(
                (
                    *(site.id, each.id, ledger.length, each.read, each.replaces, each.profile),
                    *(each.author, each.reason, each.corrected_at, body, digest),
                )
            )
        await copy_rows(connection, "correction", _COLUMNS, rows)
        await _put_in_force(connection, site, fresh)
        await connection.execute(
            "update site_head set length = %s, head = %s where site_id = %s",
            (ledger.length, ledger.head, site.id),
        )
    return len(fresh)


async def put_again(connection: Connection, site: Site) -> None:
    """Put a site's corrections into typed rows that were made anew from its messages."""
    async with connection.cursor(name="corrections") as cursor:
        await cursor.execute(_IN_FORCE, (site.id,))
        while rows := await cursor.fetchmany(_BATCH):
            each = [Correction.model_validate_json(row["body"]) for row in rows]
            await _put_in_force(connection, site, each)


async def _put_in_force(
    connection: Connection, site: Site, corrections: Sequence[Correction]
) -> None:
    rows = [
        (
            *(each.profile, each.basis, each.large_counts, each.no_meters_because),
            *(sources_id(each.sources), each.id, each.corrected_at),
            *(None if column is None else [*column] for column in meter_columns(each)),
            *(site.id, each.read),
        )
        for each in corrections
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(_PUT, rows)
