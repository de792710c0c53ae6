"""Appending messages to a site's ledger, with their typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.ingest.check import Checked, printable
from services.ingest.clock import Clocks, billed_at
from services.ingest.courses import note_courses
from services.ingest.devices import note_devices
from services.ingest.envelope import Batch
from services.ingest.ledger import Ledger
from services.ingest.rows import Stored, instant_of, order_of, typed_rows
from services.ingest.sites import Site
from services.ingest.typed import store_typed
from shared.messages import MeterRead
from shared.store.postgres import Connection, RefusedError, copy_rows, savepoint

_MESSAGE_COLUMNS = (
    "site_id bigint, ledger_no bigint, id uuid, spool uuid, n bigint, type text, order_id uuid,"
    " round_id uuid, taken_at timestamptz, received_at timestamptz, body bytea, digest bytea,"
    " clock_offset_s float"
)
_OUTCOME_COLUMNS = (
    "site_id bigint, id uuid, type text, order_id uuid, digest bytea, ledger_no bigint,"
    " received_at timestamptz"
)


async def append(
    connection: Connection,
    site: Site,
    batch: Batch,
    clocks: Clocks,
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
            return await _append_all(
                connection, site, batch, clocks, ledger, fresh, received_at
            ), []
    except RefusedError as error:
        if len(fresh) == 1:
            return ledger, [replace(fresh[0], message=None, reason=printable(str(error)))]
    middle = len(fresh) // 2
    refused: list[Checked] = []
    for half in (fresh[:middle], fresh[middle:]):
        ledger, bad = await append(connection, site, batch, clocks, ledger, half, received_at)
        refused += bad
    return ledger, refused


async def _append_all(
    connection: Connection,
    site: Site,
    batch: Batch,
    clocks: Clocks,
    ledger: Ledger,
    fresh: Sequence[Checked],
    received_at: datetime,
) -> Ledger:
    messages, outcomes, stored = [], [], []
    for one in fresh:
        message, line = one.message, one.line
        assert message is not None
        ledger = ledger.after(one.digest)
        order, instant = order_of(message), instant_of(message)
        offset_s = clocks.offset_s(instant, line.n, line.stored_at, line.age_s)
        messages.append(
            (
                *(site.id, ledger.length, message.id, batch.spool, line.n, line.type, order),
                *(message.round, instant, received_at, line.body, one.digest),
                offset_s,
            )
        )
        outcomes.append(
            (site.id, message.id, line.type, order, one.digest, ledger.length, received_at)
        )
        stored.append(Stored(message, received_at, offset_s))
    await copy_rows(connection, "message", _MESSAGE_COLUMNS, messages)
    await copy_rows(connection, "outcome", _OUTCOME_COLUMNS, outcomes)
    await store_typed(connection, typed_rows(site.id, stored))
    await note_courses(connection, site.id, stored)
    reads = [
        (each.message, billed_at(each.message.taken_at, each.offset_s))
        for each in stored
        if isinstance(each.message, MeterRead)
    ]
    await note_devices(connection, site, reads)
    return ledger
