"""Taking in a batch: each message once, in one transaction, whatever its neighbours are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from services.ingest.append import append
from services.ingest.aside import count_again, set_aside, settle
from services.ingest.check import Checked, check_lines
from services.ingest.envelope import Batch, Line
from services.ingest.hearing import Heard, hear
from services.ingest.intake import SMALL
from services.ingest.keys import Caller
from services.ingest.ledger import Ledger, lock_ledger
from services.ingest.sites import Site
from services.ingest.spools import note_spool
from shared.store.postgres import Connection, RefusedError, Store
from shared.turns import in_turns

Status = Literal["accepted", "duplicate", "rejected"]


class Result(Struct, frozen=True, gc=False):
    n: int
    status: Status
    reason: str | None = None


@dataclass(frozen=True)
class Taken:
    """What the hub answers (an EventAnswer): each line's result, and the highest number that it
    knows of the spool. `received_at` is when it was committed, by the hub's clock. `renumber`: a
    number came with another message than before.
    """

    results: list[Result]
    last: int
    received_at: datetime
    renumber: bool = False


@dataclass(frozen=True)
class Sorted:
    """What became of lines that were looked at: each is in one of these, but that those with
    another body came again too."""

    accepted: list[Checked]
    again: list[Checked]
    conflicting: list[Checked]
    rejected: list[Checked]


async def accept(store: Store, caller: Caller, batch: Batch) -> Taken:
    """Take in a batch.

    Raises: StoreError, BatchError, KeyRefusedError (revoked meanwhile), where nothing of it is
    stored and it may be sent again.
    """
    checked = await _checked(batch.lines, caller.site.name)
    try:
        return await _take(store, caller, batch, checked, careful=False)
    except RefusedError:
        return await _take(store, caller, batch, checked, careful=True)


async def _checked(lines: Sequence[Line], site_name: str) -> list[Checked]:
    checked: list[Checked] = []
    seen: set[int] = set()
    octets = sum(len(line.body) for line in lines)
    at_once = max(1, len(lines) * SMALL // max(octets, SMALL))
    await in_turns(lambda some: checked.extend(check_lines(some, site_name, seen)), lines, at_once)
    return checked


async def _take(
    store: Store, caller: Caller, batch: Batch, checked: Sequence[Checked], *, careful: bool
) -> Taken:
    site = caller.site
    async with store.transaction() as connection:
        ledger, received_at = await lock_ledger(connection, site)
        heard = await hear(connection, caller, batch, checked, received_at)
        came = await take_in(
            connection, site, batch, heard, ledger, checked, received_at, careful=careful
        )
        new = came.accepted + came.rejected
        noted = await note_spool(connection, site, batch, heard.spool, new, received_at)
        await set_aside(connection, site, batch.spool, came.rejected, received_at)
    reasons = {id(one.line): one.reason for one in came.rejected}
    repeated = {id(one.line) for one in came.again}
    results = [_result(one.line, reasons, repeated) for one in checked]
    return Taken(results, noted.last, received_at, noted.renumber)


async def take_in(
    connection: Connection,
    site: Site,
    batch: Batch,
    heard: Heard,
    ledger: Ledger,
    checked: Sequence[Checked],
    received_at: datetime,
    *,
    careful: bool = True,
) -> Sorted:
    """Store each message that the hub has not, and count those that came again.

    Raises: RefusedError, where not careful, for a message that the database refuses.
    """
    fresh, again, conflicting = _sort_out(checked, heard.digests)
    refused = await append(
        connection, site, batch, heard.clocks, ledger, fresh, received_at, careful=careful
    )
    await count_again(connection, site, again, conflicting, received_at)
    refused_lines = {id(one.line) for one in refused}
    accepted = [one for one in fresh if id(one.line) not in refused_lines]
    other = {id(one.line) for one in conflicting}
    if heard.any_rejected:
        same = [one for one in again if id(one.line) not in other]
        await settle(connection, site, accepted + same, received_at)
    rejected = [one for one in checked if one.message is None] + refused
    return Sorted(accepted, again, conflicting, rejected)


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


def _result(line: Line, reasons: dict[int, str | None], repeated: set[int]) -> Result:
    if id(line) in reasons:
        return Result(line.n, "rejected", reasons[id(line)])
    return Result(line.n, "duplicate" if id(line) in repeated else "accepted")
