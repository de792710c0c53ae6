"""What is missing of a customer's reads, for the console: numbers, spools, rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.store.gaps import gaps_of
from shared.store.postgres import Connection
from shared.store.rounds import RoundCourse, open_names, round_courses
from shared.store.spools import spools

_NAMES, _ROUNDS, _LINES = 20, 20, 50


class Line(NamedTuple):
    site: str
    words: str


@dataclass(frozen=True)
class OpenRound:
    course: RoundCourse
    state: str
    names: list[tuple[str, str]]  # (target, why)
    more: bool


@dataclass(frozen=True)
class Missing:
    lines: list[Line]
    rounds: list[OpenRound]
    more: bool  # lines that are not shown


async def missing(connection: Connection, customer_id: int, now: datetime) -> Missing:
    cursor = await connection.execute(
        "select id, name from site where customer_id = %s order by name", (customer_id,)
    )
    sites = {row["id"]: row["name"] for row in await cursor.fetchall()}
    lines = [
        Line(sites[site], f"{_numbers(gap.first, gap.last)} of spool {gap.spool}: {gap.why}")
        for site, gap in await gaps_of(connection, list(sites))
    ]
    for spool in await spools(connection, list(sites)):
        lines += [Line(spool.site, f"spool {spool.id}: {note}") for note in spool.notes]
    rounds = []
    for course in await round_courses(connection, list(sites), now, _ROUNDS, overdue=True):
        names = await open_names(connection, course, _NAMES + 1)
        rounds.append(
            OpenRound(course, course.state(now), names[:_NAMES], more=len(names) > _NAMES)
        )
    return Missing(lines[:_LINES], rounds, more=len(lines) > _LINES)


def _numbers(first: int, last: int) -> str:
    if first == last:
        return f"message {first} never came"
    return f"messages {first} to {last} never came"
