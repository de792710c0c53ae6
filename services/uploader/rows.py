"""What a spool's transactions write and remove; each fits what is held for a full disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from services.uploader.boot import SinceBoot
from services.uploader.numbering import at
from shared.message import Message

Commit = list[tuple[Message, bytes]]  # each with its JSON

_MOST_BYTES_A_COMMIT = 1_000_000  # one message may be more
_FORGOTTEN_AT_ONCE = 500


def commits(messages: Commit) -> Iterator[Commit]:
    """In parts that are as large as the reserve allows."""
    commit: Commit = []
    room = _MOST_BYTES_A_COMMIT
    for message, body in messages:
        if commit and room < len(body):
            yield commit
            commit, room = [], _MOST_BYTES_A_COMMIT
        commit.append((message, body))
        room -= len(body)
    if commit:
        yield commit


def insert(
    db: sqlite3.Connection, commit: Commit, now: datetime, since_boot: SinceBoot | None
) -> list[int]:
    numbers = []
    [spool, last] = db.execute("select id, last from spool").fetchone()
    for message, body in commit:
        there = db.execute(
            "select n from message where id = ? and body = ?", (str(message.id), body)
        ).fetchone()
        if there:
            numbers.append(int(there[0]))
            continue
        last += 1
        db.execute(
            "insert into message (spool, n, type, id, body, stored_at, boot, boot_s)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(spool, last, message.routing_key, str(message.id), body, at(now)),
                *(since_boot or (None, None)),
            ),
        )
        numbers.append(last)
    db.execute("update spool set last = ?", (last,))
    return numbers


def forget(db: sqlite3.Connection, before: str) -> int:
    """Some of what the hub committed before an instant. Nothing else ever goes."""
    forgotten = db.execute(
        "delete from message where rowid in (select rowid from message where state = 'committed'"
        " and coalesce(received_at, sent_at) < ? order by coalesce(received_at, sent_at) limit ?)",
        (before, _FORGOTTEN_AT_ONCE),
    ).rowcount
    if forgotten:
        db.execute(
            "delete from former where"
            " not exists (select 1 from message m where (m.spool, m.n) = (former.spool, former.n))"
            " and not exists (select 1 from message m where (m.spool, m.n) = (now_spool, now_n))"
        )
    return forgotten
