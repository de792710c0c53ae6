"""What sites' spools gave numbers to, and the hub never had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from shared.store.postgres import Connection
from shared.store.spools import why_ended

# One that was heard again after another is no more than delayed, unless it goes on so: then two
# uploaders are at work, and neither spool is over.
_GAPS = """
    with known as (
        select s.*, follower.id as followed_by, follower.why as end_why,
            coalesce(heirs.carried, '{}') as passed_on
        from spool s
        left join lateral (
            select id, why from spool where site_id = s.site_id and before = s.id
            order by first_seen_at, id limit 1
        ) follower on true
        cross join lateral (
            select range_agg(carried) as carried from spool
            where site_id = s.site_id and before = s.id
        ) heirs
        where s.site_id = any(%s)
    ), given as (
        select known.*, false as lost, int8range(1, greatest(first_unsent, 1)) as numbered
        from known
        union all
        select known.*, true, int8range(greatest(first_unsent, 1), last + 1) from known
        where last >= first_unsent and ended_at is not null
            and (turns < 2 or turned_at < now() - interval '1 day')
    )
    select site_id, id, lower(missing) as first, upper(missing) - 1 as last, lost, followed_by,
        end_why
    from given, unnest(int8multirange(numbered) - numbers - passed_on) as missing
    order by site_id, first_seen_at, id, first
"""


class Gap(NamedTuple):
    """A run of numbers of a spool."""

    spool: UUID
    first: int
    last: int
    why: str


async def gaps_of(connection: Connection, site_ids: Sequence[int]) -> list[tuple[int, Gap]]:
    """With the site of each: numbers that the hub has not, below `first_unsent`, and of a spool
    that ended also above, but for those that wait in the one that follows it."""
    rows = await (await connection.execute(_GAPS, (list(site_ids),))).fetchall()
    return [
        (
            row["site_id"],
            Gap(
                *(row["id"], row["first"], row["last"]),
                _why(row["lost"], row["followed_by"], row["end_why"]),
            ),
        )
        for row in rows
    ]


def _why(lost: bool, followed_by: UUID | None, why: str | None) -> str:
    if not lost:
        return "the site counts them as answered"
    return why_ended(why) if followed_by else "another spool is heard in its place"
