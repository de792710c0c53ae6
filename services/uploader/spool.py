"""The spool: what waits for the hub and what has left, in one SQLite file that outlives a kill.

Messages are numbered 1, 2, 3 … without holes; a number is given in the transaction that stores its
message, so that the hub can tell a gap from a delay. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID, uuid4

from shared.bus.port import CannotStoreError
from shared.message import Message

_VERSION = 1
_BUSY_S = 10.0
_TABLES = """
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
create index message_sent on message (sent_at) where state = 'committed';
"""


class SpoolError(Exception):
    """A file that is no spool of ours; the text says which, and what to try."""


class Waiting(NamedTuple):
    n: int
    type: str  # routing key
    body: bytes


class Verdict(NamedTuple):
    """What became of a message that was sent."""

    n: int
    state: Literal["committed", "rejected"]
    reason: str | None


class Spool:
    """One file; its methods may be called from any thread.

    Raises: SpoolError on opening; CannotStoreError where SQLite cannot write (a full disk).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # before SQLite would, as 0644
            self._db = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._set_up()
        except (OSError, sqlite3.DatabaseError, CannotStoreError) as error:
            raise SpoolError(f"{path}: cannot be opened as a spool: {error}") from None

    def _set_up(self) -> None:
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        with self._writing():
            [version] = self._db.execute("pragma user_version").fetchone()
            if version not in (0, _VERSION):
                raise SpoolError(f"{self.path}: made by another version of Pagetally ({version})")
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(
                    "insert into spool (one, id, salt) values (1, ?, ?)",
                    (str(uuid4()), uuid4().hex),
                )
                self._db.execute(f"pragma user_version = {_VERSION}")

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                raise CannotStoreError(f"{self.path}: cannot be written: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, on disk when the block ends; nothing of it where the block fails."""
        with self._using():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # SQLite may have rolled back by itself
                    self._db.execute("rollback")
                raise

    def _number(self, query: str) -> int:
        with self._using():
            return int(self._db.execute(query).fetchone()[0])

    def _text(self, query: str) -> str:
        with self._using():
            return str(self._db.execute(query).fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- what comes in ------------------------------------------------------------------------

    def store(self, messages: Sequence[Message], now: datetime) -> list[int]:
        """Number and keep messages, all or none; on disk when this returns.

        A message that is there already, byte for byte, keeps the number that it has.
        """
        numbers = []
        with self._writing():
            [spool, last] = self._db.execute("select id, last from spool").fetchone()
            for message in messages:
                body = message.to_json()
                there = self._db.execute(
                    "select n from message where id = ? and body = ?", (str(message.id), body)
                ).fetchone()
                if there:
                    numbers.append(int(there[0]))
                    continue
                last += 1
                self._db.execute(
                    "insert into message (spool, n, type, id, body, stored_at)"
                    " values (?, ?, ?, ?, ?, ?)",
                    (spool, last, message.routing_key, str(message.id), body, _at(now)),
                )
                numbers.append(last)
            self._db.execute("update spool set last = ?", (last,))
        return numbers

    # -- what goes out ------------------------------------------------------------------------

    def id(self) -> UUID:
        return UUID(self._text("select id from spool"))

    def salt(self) -> str:
        return self._text("select salt from spool")

    def last(self) -> int:
        """The highest number given; 0 where none was."""
        return self._number("select last from spool")

    def first_unsent(self) -> int:
        """The lowest number that the hub has not answered; one above `last` where there is none."""
        return self._number(
            "select coalesce((select min(n) from message where state = 'waiting'), last + 1)"
            " from spool"
        )

    def count_waiting(self) -> int:
        return self._number("select count(*) from message where state = 'waiting'")

    def waiting(self, limit: int, max_bytes: int) -> list[Waiting]:
        """The next messages to send: at most `limit` and `max_bytes` of bodies, but at least one.

        Those that were tried less often come first and go by themselves, so that one message that
        the hub cannot answer holds up no other.
        """
        chosen: list[Waiting] = []
        room = max_bytes
        with self._using():
            rows = self._db.execute(
                "select n, type, body from message where state = 'waiting' and tries ="
                " (select min(tries) from message where state = 'waiting') order by n limit ?",
                (limit,),
            )
            for row in rows:
                message = Waiting(*row)
                room -= len(message.body)
                if chosen and room < 0:
                    break
                chosen.append(message)
            rows.close()
        return chosen

    def answered(self, verdicts: Iterable[Verdict], now: datetime) -> None:
        """Keep what the hub said of messages that wait; of others nothing changes."""
        with self._writing():
            self._db.executemany(
                "update message set state = ?, reason = ?, sent_at = ?"
                " where spool = (select id from spool) and n = ? and state = 'waiting'",
                [(v.state, v.reason, _at(now), v.n) for v in verdicts],
            )

    def tried(self, numbers: Iterable[int], now: datetime) -> None:
        """Messages that left and were not answered; they wait on, behind those tried less often."""
        with self._writing():
            self._db.executemany(
                "update message set tries = tries + 1, sent_at = ?"
                " where spool = (select id from spool) and n = ? and state = 'waiting'",
                [(_at(now), n) for n in numbers],
            )

    def renew(self) -> UUID:
        """Take a new id and number what waits from 1, because the old numbers were given twice.

        What was sent stays under the old id.
        """
        fresh = uuid4()
        with self._writing():
            waiting = self._db.execute(
                "select spool, n from message where state = 'waiting' order by n"
            ).fetchall()
            self._db.executemany(
                "update message set spool = ?, n = ?, tries = 0 where spool = ? and n = ?",
                [(str(fresh), n, *old) for n, old in enumerate(waiting, start=1)],
            )
            self._db.execute("update spool set id = ?, last = ?", (str(fresh), len(waiting)))
        return fresh

    def forget(self, sent_before: datetime) -> int:
        """Remove what the hub committed before an instant; how many. Nothing else ever goes."""
        with self._writing():
            return self._db.execute(
                "delete from message where state = 'committed' and sent_at < ?", (_at(sent_before),)
            ).rowcount

    # -- the scope's version ------------------------------------------------------------------

    def scope_etag(self) -> str | None:
        return self._text("select coalesce(scope_etag, '') from spool") or None

    def keep_scope_etag(self, etag: str | None) -> None:
        with self._writing():
            self._db.execute("update spool set scope_etag = ?", (etag,))


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")
