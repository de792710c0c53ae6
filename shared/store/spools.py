"""What there is to tell of sites' spools, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.store.postgres import Connection

_SPOOLS = """
    select s.name as site, p.id, p.first_seen_at, p.last_seen_at, p.last, p.before, p.why,
        p.declared_at, p.ended_at, p.turns, p.turned_at, p.reused, p.reused_at, p.not_kept,
        lower(p.carried) as carried_first, upper(p.carried) - 1 as carried_last
    from spool p join site s on s.id = p.site_id
    where p.site_id = any(%s)
    order by s.name, p.first_seen_at, p.id
"""
_ENDED = {
    "new": "another spool began in its place",
    "lost": "its file was lost",
    "restored": "its file was an old copy of itself",
    "reused": "its numbers were given twice",
}


@dataclass(frozen=True)
class SpoolKnown:
    """A spool of a site, with what a person should know of it."""

    site: str
    id: UUID
    first_seen_at: datetime
    last_seen_at: datetime
    last: int  # the highest number that it has given
    notes: tuple[str, ...]


async def spools(connection: Connection, site_ids: list[int]) -> list[SpoolKnown]:
    """By site, in the order in which they were first heard of."""
    rows = await (await connection.execute(_SPOOLS, (site_ids,))).fetchall()
    return [
        SpoolKnown(
            *(row["site"], row["id"], row["first_seen_at"], row["last_seen_at"], row["last"]),
            tuple(_notes(row)),
        )
        for row in rows
    ]


def why_ended(why: str | None) -> str:
    """Of a spool that another followed: what that one said of it."""
    return _ENDED[why] if why else "another spool came without a word of it"


def _notes(row: dict[str, Any]) -> Iterator[str]:
    if row["before"]:
        carried = ""
        if row["carried_first"] is not None:
            carried = (
                f"; of its numbers {row['carried_first']} to {row['carried_last']}, what waited"
                " still goes out with this one"
            )
        yield f"follows {row['before']}: {why_ended(row['why'])}{carried}"
    if row["turns"] >= 2:
        yield (
            f"two uploaders use this site's key at once: another spool was heard in between"
            f" {row['turns']} times, last {row['turned_at']:%Y-%m-%d %H:%M} UTC"
        )
    elif row["ended_at"]:
        yield f"another is heard in its place since {row['ended_at']:%Y-%m-%d %H:%M} UTC"
    if row["reused"]:
        yield (
            f"numbers given twice: {row['reused']} messages came under a number that another had,"
            f" since {row['reused_at']:%Y-%m-%d %H:%M} UTC; each is stored, and what was lost with"
            " the numbers cannot be told"
        )
    if row["not_kept"]:
        yield f"{row['not_kept']} rejected messages are kept at the site alone: too many were here"
