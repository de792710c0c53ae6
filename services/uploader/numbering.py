"""Whose numbers a spool's messages bear: its tables, and how it becomes another spool.

A number names one message for ever. So a spool that was lost, that was restored from a copy, or
whose numbers were given twice goes on under a new id, and tells the hub so: `began`, design.md's
hub API.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

from shared.files import write_private

Why = Literal["new", "lost", "restored", "reused"]

_MOST_RANGES = 1000
_VERSIONS = (  # each one's statements make the file of the version before into its own
    """
create table spool (
    one integer primary key check (one = 1),
    id text not null,
    last integer not null default 0,
    salt text not null,       -- makes the words for withheld targets this site's own
    scope_etag text
);
create table message (
    spool text not null,
    n integer not null,
    type text not null,
    id text not null,
    body blob not null,
    stored_at text not null,
    state text not null default 'waiting' check (state in ('waiting', 'committed', 'rejected')),
    tries integer not null default 0,
    sent_at text,
    reason text,
    primary key (spool, n)
);
create index message_by_id on message (id);
create index message_waiting on message (tries, n) where state = 'waiting';
create index message_sent on message (sent_at) where state = 'committed'
""",
    """
-- JSON of where the spool comes from, until the hub has answered it
alter table spool add column began text;
-- by the hub's clock, of its last answer
alter table spool add column received_at text;
-- JSON of what stood around the messages of the last batch
alter table spool add column around text;
-- which boot, and how long after it, a message was stored
alter table message add column boot text;
alter table message add column boot_s real;
-- by the hub's clock, of its answer
alter table message add column received_at text;
create index message_stored on message (stored_at);
drop index message_sent;
create index message_committed on message (coalesce(received_at, sent_at))
    where state = 'committed';
create table former (  -- a number under which a message left, and the one that it has since
    spool text not null,
    n integer not null,
    sent_at text not null,
    now_spool text not null,
    now_n integer not null,
    primary key (spool, n)
);
create index former_now on former (now_spool, now_n)
""",
)
VERSION = len(_VERSIONS)


class SpoolError(Exception):
    """A file that is no spool of ours; the text says which, and what to try."""


class Before(NamedTuple):
    """What waited in the file that was at a spool's path before."""

    spool: str
    rows: list[tuple[int, str, str, bytes, str, str | None, float | None, str | None]]


def waiting_in(db: sqlite3.Connection) -> Before:
    [spool] = db.execute("select id from spool").fetchone()
    rows = db.execute(
        "select n, type, id, body, stored_at, boot, boot_s, sent_at from message"
        " where state = 'waiting' order by n"
    ).fetchall()
    return Before(spool, rows)


def set_up(db: sqlite3.Connection, path: Path, before: Before | None) -> None:
    """Make a new file into a spool, or one of an older version into one of this.

    Raises: SpoolError; OSError.
    """
    [version] = db.execute("pragma user_version").fetchone()
    if version > VERSION:
        raise SpoolError(f"{path}: made by another version of Pagetally ({version})")
    for statements in _VERSIONS[version:]:
        for statement in statements.split(";\n"):
            db.execute(statement)
    if version < VERSION:
        db.execute(f"pragma user_version = {VERSION}")
    known = _remembered(path)
    if version == 0:
        began = _began("lost" if known else "new", known, ())
        db.execute(
            "insert into spool (one, id, salt, began) values (1, ?, ?, ?)",
            (str(uuid4()), uuid4().hex, began),
        )
    elif known not in (None, _id(db), _declared(db).get("before")):
        renew(db, "restored", known)
    if before:
        _take_along(db, before)


def remember(db: sqlite3.Connection, path: Path) -> None:
    """Note beside the spool which it is, so that its loss can be told. Raises: OSError."""
    if _remembered(path) != _id(db):
        write_private(_note(path), _id(db) + "\n")


def _remembered(path: Path) -> str | None:
    try:
        with _note(path).open("rb") as opened:
            return str(UUID(opened.read(100).decode("ascii").strip()))
    except (OSError, ValueError):
        return None


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}-id")


def renew(db: sqlite3.Connection, why: Why, before: str | None = None) -> str:
    """Take a new id and number what waits from 1. What was sent stays under the old id.

    Args:
        before: the spool that this one follows, where it is not the one that the file was.
    """
    old, fresh = _id(db), str(uuid4())
    waiting = db.execute(
        "select spool, n from message where state = 'waiting' order by n"
    ).fetchall()
    moved = [(fresh, n, *was) for n, was in enumerate(waiting, start=1)]
    db.executemany(
        "update former set now_spool = ?, now_n = ? where now_spool = ? and now_n = ?", moved
    )
    db.executemany(
        "insert or ignore into former (spool, n, sent_at, now_spool, now_n)"
        " select spool, n, sent_at, ?, ? from message"
        " where spool = ? and n = ? and sent_at is not null",
        moved,
    )
    db.executemany(
        "update message set spool = ?, n = ?, tries = 0 where spool = ? and n = ?", moved
    )
    carried = [n for _, n in waiting] if before in (None, old) else []
    db.execute(
        "update spool set id = ?, last = ?, began = ?",
        (fresh, len(waiting), _began(why, before or old, carried)),
    )
    return fresh


def _take_along(db: sqlite3.Connection, before: Before) -> None:
    spool, last = db.execute("select id, last from spool").fetchone()
    carried = []
    for n, kind, name, body, stored_at, boot, boot_s, sent_at in before.rows:
        there = db.execute("select 1 from message where id = ? and body = ?", (name, body))
        if there.fetchone():
            continue
        last += 1
        carried.append(n)
        db.execute(
            "insert into message (spool, n, type, id, body, stored_at, boot, boot_s)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (spool, last, kind, name, body, stored_at, boot, boot_s),
        )
        if sent_at:
            db.execute(
                "insert or ignore into former (spool, n, sent_at, now_spool, now_n)"
                " values (?, ?, ?, ?, ?)",
                (before.spool, n, sent_at, spool, last),
            )
    db.execute("update spool set last = ?", (last,))
    declared = _declared(db)
    if declared.get("before") == before.spool:
        began = _began(declared["why"], before.spool, carried)
        db.execute("update spool set began = ?", (began,))


def at(instant: datetime) -> str:
    """As a spool holds an instant: texts that sort as the instants do."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")


def _id(db: sqlite3.Connection) -> str:
    return str(db.execute("select id from spool").fetchone()[0])


def _declared(db: sqlite3.Connection) -> dict[str, Any]:
    """What the hub has not answered yet of where this spool comes from; else nothing."""
    [began] = db.execute("select began from spool").fetchone()
    declared: dict[str, Any] = json.loads(began) if began else {}
    return declared


def _began(why: Why, before: str | None, carried: Iterable[int]) -> str:
    ranges = as_ranges(carried)[:_MOST_RANGES]
    return json.dumps({"before": before, "why": why, "carried": ranges}, separators=(",", ":"))


def as_ranges(numbers: Iterable[int]) -> Sequence[list[int]]:
    """Ascending numbers as [first, last] of each run without a hole."""
    ranges: list[list[int]] = []
    for n in numbers:
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ranges
