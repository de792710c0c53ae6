"""How far a round is: what was found against what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.store.postgres import Connection, Store

OVERDUE_AFTER = timedelta(hours=5)  # a round has 4 h, and what is on its way then one more
_AT_HUB = """
    select c.parts, c.parts_came, count(n.order_id) as orders,
        count(*) filter (where o.outcome = 'read') as read,
        count(*) filter (where o.outcome = 'failed') as failed
    from round r
    join round_course c on c.site_id = r.site_id and c.id = r.id
    left join round_name n on n.site_id = r.site_id and n.round_id = r.id and n.kind = 'order'
    left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id
    where r.id = %s group by c.site_id, c.id
"""
_COURSES = """
    select c.site_id, s.name as site, c.id, r.kind, c.first_at, c.parts, c.parts_came, c.named,
        c.closed,
        (select count(*) from read x where x.site_id = c.site_id and x.round_id = c.id) as read,
        (select count(*) from read_failed f where f.site_id = c.site_id and f.round_id = c.id
            and not exists (select from read x
                where x.site_id = f.site_id and x.order_id = f.order_id)) as failed
    from round_course c
    join site s on s.id = c.site_id
    left join round r on r.site_id = c.site_id and r.id = c.id
    where c.site_id = any(%(sites)s)
        and not (%(overdue)s and (c.closed or c.first_at >= %(before)s))
    order by c.first_at desc, c.id limit %(limit)s
"""
# Orders that are named and have no outcome. Of a round of which parts are missing also what the
# complete round before it had ordered, and of which nothing came in this one.
_OPEN = """
    select n.target, coalesce(a.reason, 'no outcome came') as note
    from round_name n
    left join order_aside a on a.site_id = n.site_id and a.order_id = n.order_id
    where n.site_id = %(site)s and n.round_id = %(round)s and n.kind = 'order'
        and not exists (select from order_outcome o
            where o.site_id = n.site_id and o.order_id = n.order_id)
    union all
    select n.target, 'was read in the round before; whether it was asked in this one is not told'
    from round_name n
    where n.site_id = %(site)s and n.kind = 'order' and n.round_id = (
            select id from round_course
            where site_id = %(site)s and parts_came >= parts and named > 0
                and first_at < %(first_at)s
            order by first_at desc limit 1
        )
        and %(parts_missing)s
        and not exists (select from order_outcome o
            where o.site_id = n.site_id and o.round_id = %(round)s and o.target = n.target)
        and not exists (select from round_name here
            where here.site_id = n.site_id and here.round_id = %(round)s
                and here.target = n.target)
    order by 2, 1 limit %(limit)s
"""


@dataclass(frozen=True)
class RoundAtHub:
    """Orders that the round names in its parts, and their outcomes that the hub holds."""

    parts: int
    parts_came: int
    orders: int
    read: int
    failed: int

    @property
    def closed(self) -> bool:
        return self.parts_came >= self.parts and self.orders == self.read + self.failed


@dataclass(frozen=True)
class RoundCourse:
    """How far a round of a site is."""

    site_id: int
    site: str
    id: UUID
    kind: str | None  # None: its end was not told yet
    first_at: datetime  # the earliest that is known of it, by the hub's clock
    parts: int | None
    parts_came: int
    named: int  # orders in those parts
    closed: bool
    read: int
    failed: int

    def state(self, now: datetime) -> str:
        """In words; what is missing of it, where it is not closed."""
        if self.closed:
            return "closed"
        if self.parts is None:
            missing = "began, and its end was not told"
        elif self.parts_came < self.parts:
            missing = (
                f"{self.parts - self.parts_came} of the {self.parts} parts of its end are missing"
            )
        else:
            missing = "orders without an outcome"
        late = self.first_at + OVERDUE_AFTER < now
        return f"{'overdue' if late else 'open'}: {missing}"


async def round_at_hub(store: Store, round_id: UUID) -> RoundAtHub | None:
    """None where the hub has not heard of the round's end. Raises: StoreError."""
    async with store.transaction() as connection:
        row = await (await connection.execute(_AT_HUB, (round_id,))).fetchone()
    return RoundAtHub(**row) if row else None


async def round_courses(
    connection: Connection, site_ids: Sequence[int], now: datetime, limit: int, *, overdue: bool
) -> list[RoundCourse]:
    """The newest rounds of these sites, all or those that should be closed by now and are not."""
    cursor = await connection.execute(
        _COURSES,
        {
            "sites": list(site_ids),
            "overdue": overdue,
            "before": now - OVERDUE_AFTER,
            "limit": limit,
        },
    )
    return [RoundCourse(**row) for row in await cursor.fetchall()]


async def open_names(
    connection: Connection, course: RoundCourse, limit: int
) -> list[tuple[str, str]]:
    """(target, why) of what a round that is not closed lacks, as far as that has a name."""
    cursor = await connection.execute(
        _OPEN,
        {
            "site": course.site_id,
            "round": course.id,
            "first_at": course.first_at,
            "parts_missing": course.parts is None or course.parts_came < course.parts,
            "limit": limit,
        },
    )
    return [(row["target"], row["note"]) for row in await cursor.fetchall()]
