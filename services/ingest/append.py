"""Appending messages to a site's ledger, with their typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from services.ingest.check import Checked, printable
from services.ingest.clock import Clocks
from services.ingest.courses import close_rounds, course_note
from services.ingest.devices import note_places, place_reads
from services.ingest.envelope import Batch
from services.ingest.ledger import Ledger
from services.ingest.lists import json_array
from services.ingest.rows import Row, Stored, TypedRows, instant_of, order_of, stored
from services.ingest.sites import Site
from services.ingest.typed import store_rounds
from shared.store.insert import Rows, insert_rows
from shared.store.postgres import Connection, RefusedError, refusals, savepoint
from shared.turns import in_turns

_MESSAGE_COLUMNS = (
    "site_id bigint, ledger_no bigint, id uuid, spool uuid, n bigint, type text, order_id uuid,"
    " round_id uuid, taken_at timestamptz, received_at timestamptz, body bytea, digest bytea,"
    " clock_offset_s float"
)
_OUTCOMES = """
    insert into outcome (site_id, ledger_no, received_at, id, type, order_id, digest)
    select %s, %s + no, %s, id::uuid, type, order_id::uuid, decode(digest, 'base64')
    from rows from (
        json_array_elements_text(%s::json), json_array_elements_text(%s::json),
        json_array_elements_text(%s::json), json_array_elements_text(%s::json)
    ) with ordinality as it (id, type, order_id, digest, no)
"""
_PUT_HEAD = "update site_head set length = %s, head = %s where site_id = %s"
_AT_ONCE = 50


async def append(
    connection: Connection,
    site: Site,
    batch: Batch,
    clocks: Clocks,
    ledger: Ledger,
    fresh: Sequence[Checked],
    received_at: datetime,
    *,
    careful: bool,
) -> list[Checked]:
    """Append messages; gives those that the database refused.

    Args:
        careful: find what it refuses by halving; else all is refused with it.
    Raises: RefusedError, where not careful: the transaction can only be rolled back.
    """
    told = (connection, site, batch, clocks)
    if not careful:
        with refusals():
            await _append_all(*told, ledger, fresh, received_at)
        return []
    _, refused = await _append_by_halves(*told, ledger, fresh, received_at)
    return refused


async def _append_by_halves(
    connection: Connection,
    site: Site,
    batch: Batch,
    clocks: Clocks,
    ledger: Ledger,
    fresh: Sequence[Checked],
    received_at: datetime,
) -> tuple[Ledger, list[Checked]]:
    """(the ledger after them, those that the database refused)"""
    told = (connection, site, batch, clocks)
    try:
        async with savepoint(connection):
            return await _append_all(*told, ledger, fresh, received_at), []
    except RefusedError as error:
        if len(fresh) == 1:
            return ledger, [replace(fresh[0], message=None, reason=printable(str(error)))]
    middle = len(fresh) // 2
    refused: list[Checked] = []
    for half in (fresh[:middle], fresh[middle:]):
        ledger, bad = await _append_by_halves(*told, ledger, half, received_at)
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
    if not fresh:
        return ledger
    made = _Made(ledger)
    await in_turns(partial(made.add, site, batch, clocks, received_at), fresh, _AT_ONCE)
    places = await place_reads(connection, site, made.typed.reads)
    noted = await insert_rows(
        connection,
        [
            Rows("message", _MESSAGE_COLUMNS, made.messages),
            *made.typed.tables(),
        ],
        also=[
            (_PUT_HEAD, (made.ledger.length, made.ledger.head, site.id)),
            (_OUTCOMES, (site.id, ledger.length, received_at, *_outcomes(fresh, made))),
            *([places.evidence(site)] if places else []),
            course_note(site.id, made.stored),
        ],
    )
    await store_rounds(connection, made.typed)
    if places:
        await note_places(connection, site, places)
    await close_rounds(connection, site.id, noted)
    return made.ledger


def _outcomes(fresh: Sequence[Checked], made: _Made) -> list[str]:
    """In the order of the ledger, as _OUTCOMES has them."""
    return [
        json_array(one.id for one in fresh),
        json_array(one.line.type for one in fresh),
        json_array(made.orders),
        json_array(one.digest for one in fresh),
    ]


@dataclass
class _Made:
    """The rows of messages, and the ledger after them."""

    ledger: Ledger
    messages: list[Row] = field(default_factory=list)
    orders: list[UUID | None] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    typed: TypedRows = field(default_factory=TypedRows)

    def add(
        self,
        site: Site,
        batch: Batch,
        clocks: Clocks,
        received_at: datetime,
        fresh: Sequence[Checked],
    ) -> None:
        for one in fresh:
            message, line = one.message, one.line
            assert message is not None
            ledger = self.ledger = self.ledger.after(one.digest)
            order, instant = order_of(message), instant_of(message)
            offset_s = clocks.offset_s(instant, line.n, line.stored_at, line.age_s)
            self.messages.append(
                (
                    *(site.id, ledger.length, one.id, batch.spool, line.n, line.type, order),
                    *(message.round, instant, received_at, line.body, one.digest),
                    offset_s,
                )
            )
            self.orders.append(order)
            kept = stored(one.id, message, received_at, offset_s)
            self.stored.append(kept)
            self.typed.add(site.id, kept)
