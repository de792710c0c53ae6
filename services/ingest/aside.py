"""What is stored beside the messages: that one came again, with another body, or was rejected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec

from services.ingest.check import Checked
from services.ingest.sites import Site
from services.ingest.told import UNREADABLE
from shared.message import MAX_MESSAGE_BYTES
from shared.messages import MeterRead, ReadFailed
from shared.store.postgres import Connection

# of a site, in each of the two tables; what is settled does not count
MAX_ROWS = 10_000
MAX_BYTES = 256_000_000
_TYPE = re.compile(r"[a-z0-9.]{1,80}")
_OUTCOMES = {MeterRead.routing_key, ReadFailed.routing_key}
_REJECTED_KEPT = """
    select count(*) as rows, coalesce(sum(octet_length(body)), 0) as bytes
    from rejected where site_id = %s and settled_at is null
"""
_CONFLICTING_KEPT = """
    select count(*) as rows, coalesce(sum(octet_length(body)), 0) as bytes
    from conflicting where site_id = %s
"""
_REJECT = """
    insert into rejected (site_id, spool, n, digest, type, reason, body, order_id, received_at)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
_CONFLICT = """
    insert into conflicting (site_id, id, digest, times, body, first_at)
    values (%s, %s, %s, %s, %s, %s)
"""
_SETTLE = """
    update rejected r set settled_at = %s, settled_by = came.id, body = ''
    from unnest(%s::uuid[], %s::bytea[]) as came (id, digest)
    where r.site_id = %s and r.settled_at is null and r.digest = came.digest
"""


class _Ordered(msgspec.Struct):
    order: UUID


_ORDERED = msgspec.json.Decoder(_Ordered)


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
    if conflicting:
        await _keep_conflicting(connection, site, conflicting, received_at)


async def _keep_conflicting(
    connection: Connection, site: Site, conflicting: Sequence[Checked], received_at: datetime
) -> None:
    times = Counter((one.id, one.digest) for one in conflicting)
    cursor = await connection.execute(
        "update conflicting c set times = c.times + came.times"
        " from unnest(%s::uuid[], %s::bytea[], %s::bigint[]) as came (id, digest, times)"
        " where c.site_id = %s and c.id = came.id and c.digest = came.digest"
        " returning c.id, c.digest",
        (
            *([id_ for id_, _ in times], [digest for _, digest in times]),
            *(list(times.values()), site.id),
        ),
    )
    known = {(row["id"], bytes(row["digest"])) for row in await cursor.fetchall()}
    fresh = {(one.id, one.digest): one for one in conflicting}
    new = [one for key, one in fresh.items() if key not in known]
    kept = await _with_room(connection, site, _CONFLICTING_KEPT, new)
    rows = [
        (
            *(site.id, one.id, one.digest, times[one.id, one.digest]),
            *(one.line.body, received_at),
        )
        for one in kept
    ]
    async with connection.cursor() as writing:
        await writing.executemany(_CONFLICT, rows)


async def set_aside(
    connection: Connection,
    site: Site,
    spool: UUID,
    rejected: Sequence[Checked],
    received_at: datetime,
) -> None:
    """Keep what was rejected, with its reason; beyond the limits it is only counted, and the site
    keeps it."""
    if not rejected:
        return
    cursor = await connection.execute(
        "select n, digest from rejected where site_id = %s and spool = %s and n = any(%s)",
        (site.id, spool, [one.line.n for one in rejected]),
    )
    known = {(row["n"], bytes(row["digest"])) for row in await cursor.fetchall()}
    new = [one for one in rejected if (one.line.n, one.digest) not in known]
    kept = await _with_room(connection, site, _REJECTED_KEPT, new)
    async with connection.cursor() as writing:
        await writing.executemany(
            _REJECT, [_rejected_row(site, spool, one, received_at) for one in kept]
        )
    if len(kept) < len(new):
        await connection.execute(
            "update spool set not_kept = not_kept + %s where site_id = %s and id = %s",
            (len(new) - len(kept), site.id, spool),
        )


async def settle(
    connection: Connection, site: Site, accepted: Sequence[Checked], now: datetime
) -> None:
    """Of what was rejected before and is accepted now, as the same bytes, say so."""
    if not accepted:
        return
    await connection.execute(
        _SETTLE, (now, [one.id for one in accepted], [one.digest for one in accepted], site.id)
    )


async def _with_room(
    connection: Connection, site: Site, kept: LiteralString, new: Sequence[Checked]
) -> list[Checked]:
    """Those for which the limits leave room."""
    if not new:
        return []
    row = await (await connection.execute(kept, (site.id,))).fetchone()
    assert row is not None
    rows, size = int(row["rows"]), int(row["bytes"])
    fitting = []
    for one in new:
        rows += 1
        size += len(one.line.body)
        if rows > MAX_ROWS or size > MAX_BYTES:
            break
        fitting.append(one)
    return fitting


def _rejected_row(
    site: Site, spool: UUID, one: Checked, received_at: datetime
) -> tuple[object, ...]:
    kind = one.line.type if one.line.type and _TYPE.fullmatch(one.line.type) else None
    return (
        *(site.id, spool, one.line.n, one.digest, kind, one.reason),
        *(one.line.body[:MAX_MESSAGE_BYTES], order_told(kind, one.line.body), received_at),
    )


def order_told(kind: str | None, body: bytes) -> UUID | None:
    """The order that a rejected outcome is of, where its body lets that be read."""
    try:
        return _ORDERED.decode(body).order if kind in _OUTCOMES else None
    except UNREADABLE:
        return None
