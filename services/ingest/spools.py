"""What the hub knows of a site's spools: their numbers, and which of them follows which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.ingest.check import Checked
from services.ingest.envelope import Batch, BatchError
from services.ingest.sites import Site
from shared.store.postgres import Connection

MAX_RANGES = 2_000  # of numbers that a spool's messages came under
# Queries of a WITH. What a delayed batch tells is older than what is known: it shows by the
# numbers, whatever the site's clock does meanwhile.
NOTE_SPOOL = """
    was as (
        select numbers, first_unsent <= %(first_unsent)s and last <= %(highest)s
            and coalesce(told_at <= %(arrived)s, true) as older
        from spool where site_id = %(site)s and id = %(spool)s
    ), latest as (
        select id from spool where site_id = %(site)s order by last_seen_at desc limit 1
    ), noted_spool as (
        insert into spool as known (site_id, id, numbers, first_unsent, last, clock_offset_s,
            status, told_at, first_seen_at, last_seen_at)
        values (%(site)s, %(spool)s, %(numbers)s::int8multirange, %(first_unsent)s, %(highest)s,
            %(offset_s)s, %(status)s, %(arrived)s, %(now)s, %(now)s)
        on conflict (site_id, id) do update set
            numbers = known.numbers + excluded.numbers,
            first_unsent = greatest(known.first_unsent, excluded.first_unsent),
            last = greatest(known.last, excluded.last),
            clock_offset_s = case when (select older from was) then excluded.clock_offset_s
                else known.clock_offset_s end,
            status = case when (select older from was) then coalesce(excluded.status, known.status)
                else known.status end,
            told_at = greatest(known.told_at, excluded.told_at),
            turns = known.turns + (known.id <> (select id from latest))::integer,
            turned_at = case when known.id <> (select id from latest) then excluded.last_seen_at
                else known.turned_at end,
            last_seen_at = excluded.last_seen_at
        returning last, reused, not_kept, declared_at is not null as declared,
            (select id from latest) as latest,
            not exists (select from was) as made,
            (select count(*) from unnest(known.numbers)) as ranges,
            (select count(*) from was, unnest(was.numbers)) as ranges_before,
            array(
                select n from was, unnest(%(numbers)s::int8multirange) range,
                    generate_series(lower(range), upper(range) - 1) n
                where was.numbers @> n
            ) as had
    )
"""
_FOLLOW = """
    update spool set before = %(before)s, why = %(why)s, carried = %(carried)s::int8multirange,
        declared_at = %(now)s
    where site_id = %(site)s and id = %(spool)s
"""


class Noted(NamedTuple):
    last: int  # the highest number that the hub knows of the spool
    renumber: bool  # its numbers were given twice


def told_of_spool(batch: Batch, now: datetime) -> dict[str, object]:
    """The parameters of NOTE_SPOOL that only it has."""
    return {
        "numbers": ranges_text((line.n, line.n) for line in batch.lines),
        "first_unsent": batch.first_unsent,
        "highest": max([batch.last, *(line.n for line in batch.lines)]),
        "offset_s": (batch.arrived_at - batch.sent_at).total_seconds(),
        "status": batch.status,
        "now": now,
    }


def refuse_scattered(batch: Batch, row: Mapping[str, Any]) -> None:
    """Raises: BatchError, where the numbers are scattered as no spool gives them."""
    if row["ranges"] > max(MAX_RANGES, row["ranges_before"]):
        raise BatchError(
            f"spool {batch.spool}: its messages came under numbers in more than {MAX_RANGES}"
            " pieces; send the lowest numbers that are missing first"
        )


async def note_spool(
    connection: Connection,
    site: Site,
    batch: Batch,
    row: Mapping[str, Any],
    new: Sequence[Checked],
    now: datetime,
) -> Noted:
    """Note what follows from what a batch tells of its spool.

    Args:
        row: as NOTE_SPOOL gave it.
        new: what is no repeat of a message that the hub has.
    """
    if row["made"] or (batch.began and not row["declared"]):
        await _note_begin(connection, site, batch, row, now)
    reused = 0
    if row["had"]:
        # of what was rejected and not kept it cannot be told whether it comes again
        told = [one for one in new if one.message or not row["not_kept"]]
        reused = await _reused(connection, site, batch, told, frozenset(row["had"]))
    if reused:
        await connection.execute(
            "update spool set reused = reused + %s, reused_at = %s where site_id = %s and id = %s",
            (reused, now, site.id, batch.spool),
        )
    return Noted(int(row["last"]), bool(reused or row["reused"]))


def ranges_text(ranges: Iterable[tuple[int, int]]) -> str:
    """An int8multirange of (first, last)."""
    return "{" + ",".join(f"[{first},{last + 1})" for first, last in set(ranges)) + "}"


async def _note_begin(
    connection: Connection, site: Site, batch: Batch, row: Mapping[str, Any], now: datetime
) -> None:
    """Which spool this one follows: as it says, or without a word the one that was heard last."""
    began = batch.began
    why: str | None = None
    carried: Sequence[tuple[int, int]] = []
    if began and began.before not in (None, batch.spool):
        before, why, carried = began.before, began.why, began.carried
    elif row["made"]:
        before = row["latest"]
        if began and before is None:
            why = began.why
    else:
        return
    await connection.execute(
        _FOLLOW,
        {
            "before": before,
            "why": why,
            "carried": ranges_text(carried),
            "now": now if began else None,
            "site": site.id,
            "spool": batch.spool,
        },
    )
    await connection.execute(
        "update spool set ended_at = %s where site_id = %s and id <> %s and ended_at is null",
        (now, site.id, batch.spool),
    )


async def _reused(
    connection: Connection, site: Site, batch: Batch, new: Sequence[Checked], had: frozenset[int]
) -> int:
    """How many messages came under a number that another message had.

    One that was rejected under its number and comes again is none.
    """
    twice = [one for one in new if one.line.n in had]
    if not twice:
        return 0
    cursor = await connection.execute(
        "select n, digest from rejected where site_id = %s and spool = %s and n = any(%s)",
        (site.id, batch.spool, [one.line.n for one in twice]),
    )
    before = {(row["n"], bytes(row["digest"])) for row in await cursor.fetchall()}
    return sum((one.line.n, one.digest) not in before for one in twice)
