"""The spool: what waits for the hub and what has left, in one SQLite file that outlives a kill.

Messages are numbered 1, 2, 3 … without holes; a number is given in the transaction that stores its
message, so that the hub can tell a gap from a delay. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.uploader.boot import SinceBoot
from services.uploader.left_log import set_foreign_log_aside
from services.uploader.numbering import SpoolError, Why, at, remember, renew
from services.uploader.reserve import RESERVE_BYTES
from services.uploader.rows import commits, forget, insert
from services.uploader.spool_file import SpoolFile
from shared.bus.port import CannotStoreError
from shared.message import Message


class Waiting(NamedTuple):
    n: int
    type: str  # routing key
    body: bytes
    stored_at: str
    stored: SinceBoot | None = None


class Outgoing(NamedTuple):
    """The next batch, and what it says of the spool."""

    file: int  # which, of the files that were at the spool's path since it was opened
    spool: UUID
    first_unsent: int  # the lowest number that the hub has not answered; else one above `last`
    last: int
    began: str | None  # JSON of where this spool comes from, until the hub has answered it
    messages: Sequence[Waiting]


class Verdict(NamedTuple):
    """What became of a message that was sent."""

    n: int
    state: Literal["committed", "rejected"]
    reason: str | None


class Answered(NamedTuple):
    """What the hub said of a batch."""

    verdicts: Sequence[Verdict]
    received_at: datetime | None = None  # by the hub's clock
    around: str | None = None  # JSON of what stood around the messages; None: no word of the hub


class Spool:
    """One file; its methods may be called from any thread.

    Raises: SpoolError on opening; CannotStoreError where SQLite cannot write (a full disk).
    """

    def __init__(self, path: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.path = path
        try:
            set_foreign_log_aside(path)
        except OSError as error:
            raise SpoolError(f"{path}: cannot be looked at: {error.strerror}") from None
        self._file = SpoolFile(path, reserve_bytes)
        self._problem: str | None = None

    def close(self) -> None:
        self._file.close()

    def problem(self) -> str | None:
        """Why the last message that came could not be stored, in words; None where it was."""
        return self._problem

    # -- what comes in ------------------------------------------------------------------------

    def store(
        self, messages: Sequence[Message], now: datetime, since_boot: SinceBoot | None = None
    ) -> list[int]:
        """Number and keep messages; all are on disk when this returns.

        A message that is there already, byte for byte, keeps the number that it has.
        """
        numbers: list[int] = []
        for commit in commits([(message, message.to_json()) for message in messages]):
            try:
                numbers += self._file.write(
                    partial(insert, commit=commit, now=now, since_boot=since_boot)
                )
            except CannotStoreError as error:
                self._problem = str(error)
                raise
        self._problem = None
        return numbers

    # -- what goes out ------------------------------------------------------------------------

    def id(self) -> UUID:
        return UUID(self._one("select id from spool"))

    def salt(self) -> str:
        return str(self._one("select salt from spool"))

    def last(self) -> int:
        """The highest number given; 0 where none was."""
        return int(self._one("select last from spool"))

    def count_waiting(self) -> int:
        return int(self._one("select count(*) from message where state = 'waiting'"))

    def oldest_at(self) -> str | None:
        """When what waits longest was stored."""
        oldest = self._one(  # not min(stored_at): that lies behind each body
            "select (select stored_at from message where spool = s.id and n ="
            " (select min(n) from message where state = 'waiting')) from spool s"
        )
        return str(oldest) if oldest else None

    def outgoing(self, limit: int, max_bytes: int) -> Outgoing:
        """The next messages to send: at most `limit` and `max_bytes` of bodies, but at least one.

        Those that were tried less often come first and go by themselves, so that one message that
        the hub cannot answer holds up no other.
        """

        def choose(db: sqlite3.Connection) -> Outgoing:
            chosen: list[Waiting] = []
            room = max_bytes
            rows = db.execute(
                "select n, type, body, stored_at, boot, boot_s from message"
                " where state = 'waiting' and tries ="
                " (select min(tries) from message where state = 'waiting') order by n limit ?",
                (limit,),
            )
            for n, kind, body, stored_at, boot, boot_s in rows:
                stored = SinceBoot(boot, boot_s) if boot else None
                message = Waiting(n, kind, body, stored_at, stored)
                room -= len(message.body)
                if chosen and room < 0:
                    break
                chosen.append(message)
            rows.close()
            spool, last, began, first = db.execute(
                "select id, last, began, coalesce("
                " (select min(n) from message where state = 'waiting'), last + 1) from spool"
            ).fetchone()
            return Outgoing(self._file.times_replaced, UUID(spool), first, last, began, chosen)

        return self._file.read(choose)

    def answered(self, spool: UUID, answer: Answered, now: datetime) -> None:
        """Keep what the hub said of messages that wait; of others, and of another spool's,
        nothing changes.
        """
        received_at = at(answer.received_at) if answer.received_at else None

        def note(db: sqlite3.Connection) -> None:
            db.executemany(
                "update message set state = ?, reason = ?, sent_at = ?, received_at = ?"
                " where spool = ? and n = ? and state = 'waiting'"
                " and spool = (select id from spool)",
                [
                    (v.state, v.reason, at(now), received_at, str(spool), v.n)
                    for v in answer.verdicts
                ],
            )
            if answer.around:
                db.execute(
                    "update spool set began = null, received_at = coalesce(?, received_at),"
                    " around = ? where id = ?",
                    (received_at, answer.around, str(spool)),
                )

        self._file.write(note, from_reserve=True)

    def tried(self, spool: UUID, numbers: Iterable[int], now: datetime, *, blamed: bool) -> None:
        """Messages that left and were not answered; they wait on.

        `blamed`, as they may be why: behind those that were blamed less often.
        """
        left = [(blamed, at(now), str(spool), n) for n in numbers]
        self._file.write(
            lambda db: db.executemany(
                "update message set tries = tries + ?, sent_at = ?"
                " where spool = ? and n = ? and state = 'waiting'",
                left,
            ),
            from_reserve=True,
        )

    def renew(self, why: Why) -> UUID:
        """Go on under a new id, with what waits numbered from 1, and tell the hub of it."""
        fresh = UUID(self._file.write(lambda db: renew(db, why), from_reserve=True))
        with suppress(OSError):  # at the next start it is taken for a copy, and renewed again
            self._file.read(lambda db: remember(db, self.path))
        return fresh

    def forget(self, keep: timedelta) -> int:
        """Remove what the hub committed so long ago, by its own clock; how many."""
        said = self._one("select received_at from spool")
        if not said:
            return 0
        before = at(datetime.fromisoformat(said) - keep)
        forgotten = 0
        while some := self._file.write(lambda db: forget(db, before), from_reserve=True):
            forgotten += some
        self._file.shrink_if_large()
        return forgotten

    # -- the scope's version ------------------------------------------------------------------

    def scope_etag(self) -> str | None:
        return self._one("select scope_etag from spool") or None

    def keep_scope_etag(self, etag: str | None) -> None:
        self._file.write(
            lambda db: db.execute("update spool set scope_etag = ?", (etag,)), from_reserve=True
        )

    def _one(self, query: str) -> Any:  # noqa: ANN401  (a column of any type)
        return self._file.read(lambda db: db.execute(query).fetchone()[0])
