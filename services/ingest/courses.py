"""How far each round is: noted as its messages come, in whatever order. The table round_course."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from services.ingest.clock import billed_at
from services.ingest.quick import QuickRead
from services.ingest.rows import Stored
from shared.messages import MeterRead, ReadFailed, RoundFinished
from shared.store.postgres import Connection

_NOTE = """
    insert into round_course as known (site_id, id, first_at, parts, parts_came, named, came)
    select %s, * from unnest(%s::uuid[], %s::timestamptz[], %s::integer[], %s::bigint[],
        %s::bigint[], %s::bigint[])
    on conflict (site_id, id) do update set
        first_at = least(known.first_at, excluded.first_at),
        parts = greatest(known.parts, excluded.parts),
        parts_came = known.parts_came + excluded.parts_came,
        named = known.named + excluded.named,
        came = known.came + excluded.came
    returning id, not closed and parts_came >= parts and came >= named as is_all_there
"""
_CLOSE = """
    update round_course c set closed = true
    where site_id = %s and id = any(%s) and not exists (
        select from round_name n
        where n.site_id = c.site_id and n.round_id = c.id and n.kind = 'order' and not exists (
            select from order_outcome o where o.site_id = n.site_id and o.order_id = n.order_id
        )
    )
"""


@dataclass
class _Course:
    """What messages add to what is known of a round."""

    first_at: datetime
    parts: int | None = None
    parts_came: int = 0
    named: int = 0
    came: int = 0


async def note_courses(connection: Connection, site_id: int, stored: Iterable[Stored]) -> None:
    """Note messages that are stored now for the first time, with their typed rows."""
    cursor = await connection.execute(*course_note(site_id, stored))
    await close_rounds(connection, site_id, await cursor.fetchall())


def course_note(site_id: int, stored: Iterable[Stored]) -> tuple[LiteralString, Sequence[object]]:
    """The statement that notes them, of which `close_rounds` gets the rows."""
    courses = _courses(stored)
    rows = [(id_, *vars(course).values()) for id_, course in courses.items()]
    columns = zip(*rows, strict=True) if rows else [()] * (1 + len(fields(_Course)))
    return _NOTE, (site_id, *(list(column) for column in columns))


async def close_rounds(
    connection: Connection, site_id: int, noted: Iterable[Mapping[str, Any]]
) -> None:
    """Close those that are complete now."""
    there = [row["id"] for row in noted if row["is_all_there"]]
    if there:
        await connection.execute(_CLOSE, (site_id, there))


def _courses(stored: Iterable[Stored]) -> dict[UUID, _Course]:
    courses: dict[UUID, _Course] = {}
    for each in stored:
        match each.message:
            case MeterRead() | QuickRead() | ReadFailed():
                _course(courses, each.message.round, each.at).came += 1
            case RoundFinished() as done:
                # a clock that was set in between may say that it ended before it began
                began_at = min(billed_at(done.started_at, each.offset_s), each.at)
                course = _course(courses, done.round, began_at)
                course.parts = max(course.parts or 0, done.parts)
                course.parts_came += done.part <= done.parts
                course.named += len(done.orders)
    return courses


def _course(courses: dict[UUID, _Course], round_id: UUID, at: datetime) -> _Course:
    course = courses.get(round_id)
    if course is None:
        course = courses[round_id] = _Course(at)
    course.first_at = min(course.first_at, at)
    return course
