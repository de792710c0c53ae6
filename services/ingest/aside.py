"""What is stored beside the messages: that one came again, with another body, or was rejected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.ingest.check import Checked
from services.ingest.sites import Site
from shared.message import MAX_MESSAGE_BYTES
from shared.store.postgres import Connection

_TYPE = re.compile(r"[a-z0-9.]{1,80}")


async def count_again(
    connection: Connection,
    site: Site,
    again: Sequence[Checked],
    conflicting: Sequence[Checked],
    received_at: datetime,
) -> None:
    times = Counter(one.id for one in again)
    if times:
        await connection.execute(
            "update outcome o set repeats = repeats + came.times"
            " from unnest(%s::uuid[], %s::bigint[]) as came (id, times)"
            " where o.site_id = %s and o.id = came.id",
            (list(times), list(times.values()), site.id),
        )
    for one in conflicting:
        await connection.execute(
            "insert into conflicting (site_id, id, digest, body, first_at)"
            " values (%s, %s, %s, %s, %s)"
            " on conflict (site_id, id, digest) do update set times = conflicting.times + 1",
            (site.id, one.id, one.digest, one.line.body, received_at),
        )


async def set_aside(
    connection: Connection,
    site: Site,
    spool: UUID,
    rejected: Sequence[Checked],
    received_at: datetime,
) -> None:
    for one in rejected:
        kind = one.line.type if one.line.type and _TYPE.fullmatch(one.line.type) else None
        await connection.execute(
            "insert into rejected (site_id, spool, n, digest, type, reason, body, received_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                *(site.id, spool, one.line.n, one.digest, kind, one.reason),
                *(one.line.body[:MAX_MESSAGE_BYTES], received_at),
            ),
        )
