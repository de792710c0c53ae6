"""Taking in a batch: each message once, in one transaction, whatever its neighbours are."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.check import Checked, check_lines, printable
from services.ingest.devices import note_devices
from services.ingest.envelope import Batch, Line
from services.ingest.ledger import Ledger, lock_ledger
from services.ingest.rows import instant_of, order_of, typed_rows
from services.ingest.sites import Site
from services.ingest.typed import store_typed
from shared.message import MAX_MESSAGE_BYTES
from shared.messages import MeterRead
from shared.store.postgres import Connection, RefusedError, Store, copy_rows, savepoint

_TYPE = re.compile(r"[a-z0-9.]{1,80}")
_MESSAGE_COLUMNS = (
    "site_id, ledger_no, id, spool, n, type, order_id, round_id, taken_at, received_at, body,"
    " digest"
)
_OUTCOME_COLUMNS = "site_id, id, type, order_id, digest, ledger_no, received_at"

Status = Literal["accepted", "duplicate", "rejected"]


@dataclass(frozen=True)
class Result:
    n: int
    status: Status
    reason: str | None = None


async def accept(store: Store, site: Site, batch: Batch) -> tuple[list[Result], int]:
    """Take in a batch; gives each line's result, and the highest number the hub knows of it.

    Raises: StoreError, where nothing of it is stored and it may be sent again.
    """
    checked = await asyncio.to_thread(check_lines, batch.lines, site.name)
    async with store.transaction() as connection:
        ledger, received_at = await lock_ledger(connection, site)
        known = await _known_digests(connection, site, checked)
        fresh, again, conflicting = _sort_out(checked, known)
        head, refused = await _store(connection, site, batch, ledger, fresh, received_at)
        if head != ledger:
            await connection.execute(
                "update site_head set length = %s, head = %s where site_id = %s",
                (head.length, head.head, site.id),
            )
        rejected = [one for one in checked if one.message is None] + refused
        await _count_again(connection, site, again, conflicting, received_at)
        await _set_aside(connection, site, batch.spool, rejected, received_at)
        last = await _note_spool(connection, site, batch, received_at)
    reasons = {id(one.line): one.reason for one in rejected}
    repeated = {id(one.line) for one in again}
    return [_result(one.line, reasons, repeated) for one in checked], last


async def _known_digests(
    connection: Connection, site: Site, checked: Sequence[Checked]
) -> dict[UUID, bytes]:
    ids = [one.id for one in checked if one.message]
    cursor = await connection.execute(
        "select id, digest from outcome where site_id = %s and id = any(%s)", (site.id, ids)
    )
    return {row["id"]: bytes(row["digest"]) for row in await cursor.fetchall()}


def _sort_out(
    checked: Sequence[Checked], known: dict[UUID, bytes]
) -> tuple[list[Checked], list[Checked], list[Checked]]:
    """(those to store, those that came again, of these the ones with another body)."""
    known = dict(known)
    fresh, again, conflicting = [], [], []
    for one in checked:
        if one.message is None:
            continue
        if one.id not in known:
            known[one.id] = one.digest
            fresh.append(one)
            continue
        again.append(one)
        if known[one.id] != one.digest:
            conflicting.append(one)
    return fresh, again, conflicting


async def _store(
    connection: Connection,
    site: Site,
    batch: Batch,
    ledger: Ledger,
    fresh: list[Checked],
    received_at: datetime,
) -> tuple[Ledger, list[Checked]]:
    """Append messages; gives the ledger after them, and those that the database refused.

    What it refuses is found by halving, so that a good batch costs one round.
    """
    if not fresh:
        return ledger, []
    try:
        async with savepoint(connection):
            return await _append(connection, site, batch, ledger, fresh, received_at), []
    except RefusedError as error:
        if len(fresh) == 1:
            return ledger, [replace(fresh[0], message=None, reason=printable(str(error)))]
    middle = len(fresh) // 2
    refused: list[Checked] = []
    for half in (fresh[:middle], fresh[middle:]):
        ledger, bad = await _store(connection, site, batch, ledger, half, received_at)
        refused += bad
    return ledger, refused


async def _append(
    connection: Connection,
    site: Site,
    batch: Batch,
    ledger: Ledger,
    fresh: Sequence[Checked],
    received_at: datetime,
) -> Ledger:
    messages, outcomes, stored = [], [], []
    for one in fresh:
        message, line = one.message, one.line
        assert message is not None
        ledger = ledger.after(one.digest)
        order = order_of(message)
        messages.append(
            (
                *(site.id, ledger.length, message.id, batch.spool, line.n, line.type, order),
                *(message.round, instant_of(message), received_at, line.body, one.digest),
            )
        )
        outcomes.append(
            (site.id, message.id, line.type, order, one.digest, ledger.length, received_at)
        )
        stored.append((message, received_at))
    await copy_rows(connection, "message", _MESSAGE_COLUMNS, messages)
    await copy_rows(connection, "outcome", _OUTCOME_COLUMNS, outcomes)
    await store_typed(connection, typed_rows(site.id, stored))
    reads = [message for message, _ in stored if isinstance(message, MeterRead)]
    await note_devices(connection, site, reads)
    return ledger


async def _count_again(
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


async def _set_aside(
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


async def _note_spool(
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


def _result(line: Line, reasons: dict[int, str | None], repeated: set[int]) -> Result:
    if id(line) in reasons:
        return Result(line.n, "rejected", reasons[id(line)])
    return Result(line.n, "duplicate" if id(line) in repeated else "accepted")
