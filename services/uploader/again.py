"""Giving the hub once more what it rejected, after what was wrong there has been set right."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.uploader.boot import SinceBoot
from services.uploader.numbering import at
from services.uploader.spool_file import SpoolFile


class Again(NamedTuple):
    n: int
    as_n: int


def send_again(
    file: SpoolFile, numbers: Sequence[int] | None, now: datetime, since_boot: SinceBoot | None
) -> list[Again]:
    """Give rejected messages a new number each, under which they wait; what was rejected stays.

    Args:
        numbers: of rejected messages, of the spool in use or where that has none such, of the one
            before; None: all that were not given again yet.

    Returns:
        Those that were; a number that names no such message is left out.

    Raises: CannotStoreError, where none is.
    """

    def give(db: sqlite3.Connection) -> list[Again]:
        [spool, last] = db.execute("select id, last from spool").fetchone()
        given = []
        for rowid, old, n, sent_at in _rejected(db, numbers):
            last += 1
            db.execute(
                "insert into message (spool, n, type, id, body, stored_at, boot, boot_s)"
                " select ?, ?, type, id, body, ?, ?, ? from message where rowid = ?",
                (spool, last, at(now), *(since_boot or (None, None)), rowid),
            )
            db.execute(
                "insert into former (spool, n, sent_at, now_spool, now_n) values (?, ?, ?, ?, ?)",
                (old, n, sent_at, spool, last),
            )
            given.append(Again(n, last))
        db.execute("update spool set last = ?", (last,))
        return given

    return file.write(give)


def _rejected(
    db: sqlite3.Connection, numbers: Sequence[int] | None
) -> list[tuple[int, str, int, str]]:
    query = (
        "select rowid, spool, n, sent_at from message m where state = 'rejected' and not exists"
        " (select 1 from former f where (f.spool, f.n) = (m.spool, m.n))"
    )
    if numbers is None:
        return db.execute(f"{query} order by stored_at, n").fetchall()
    newest = " and n = ? order by spool = (select id from spool) desc, stored_at desc limit 1"
    found = [db.execute(query + newest, (n,)).fetchone() for n in sorted(set(numbers))]
    return [row for row in found if row]
