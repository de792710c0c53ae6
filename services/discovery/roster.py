"""The roster: open rounds, what answered, and the devices that are known; SQLite, never lost."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from services.discovery.find import Finding, Outcome
from services.discovery.plan import FoundBy, Known, Wish
from services.discovery.schedule import RoundKind
from shared.decode import MessageError, decode
from shared.messages import IppTarget, SnmpTarget
from shared.scope import Scope

_TABLES = Path(__file__).with_name("roster.sql")
_ROUNDS_KEPT = 50
_VERSION = 1  # PRAGMA user_version


class RosterError(Exception):
    """The roster cannot be used; the text names its file."""


@dataclass(frozen=True)
class Round:
    id: UUID
    kind: RoundKind
    wish: Wish
    started_at: datetime
    deadline: datetime
    ask: UUID | None = None
    is_closing: bool = False  # its last messages are made and stand
    packets: int = 0
    bytes: int = 0


class AnswerRow(NamedTuple):
    """An address that answered in a round, or a printer by IPP; where it prints, an order."""

    target: SnmpTarget | IppTarget
    outcome: Outcome
    found_by: FoundBy
    credential: str
    reason: str
    given: int  # how often its order was given and not finished
    published: bool


class KnownRow(NamedTuple):
    device: Known
    last_answered_at: datetime
    silent_rounds: int

    @property
    def target(self) -> SnmpTarget:
        return SnmpTarget(snmp=self.device.address, port=self.device.port)


def order_of(finding: Finding) -> AnswerRow:
    """As it is in the roster before it was ever given."""
    return AnswerRow(
        finding.target,
        finding.outcome,
        finding.found_by,
        finding.credential,
        finding.reason,
        given=0,
        published=False,
    )


class Roster:
    """One process has it open at a time. Every method is durable when it returns."""

    def __init__(self, path: Path) -> None:
        """Raises: RosterError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            with self._transaction():
                self._set_up()
        except BlockingIOError:
            os.close(self._lock)
            raise RosterError(f"{path}: another discovery on this box has it open") from None
        except (OSError, sqlite3.Error) as error:
            raise RosterError(f"{path}: cannot be used: {error}") from error

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    # -- scope and schedule

    def scope(self) -> Scope | None:
        row = self._one("SELECT body FROM scope")
        if row is None:
            return None
        try:
            message = decode(Scope.routing_key, row[0])
        except MessageError as error:
            raise RosterError(f"the scope in the roster cannot be read: {error}") from None
        assert isinstance(message, Scope)
        return message

    def keep_scope(self, scope: Scope) -> bool:
        """False where a scope as new is kept already.

        A hub that was set up anew counts its versions from 1: what was changed later is newer too.
        """
        with self._transaction():
            row = self._one("SELECT version, body FROM scope")
            if row and row[0] >= scope.version and not _is_before(row[1], scope):
                return False
            self._db.execute(
                "INSERT OR REPLACE INTO scope VALUES (1, ?, ?)", (scope.version, scope.to_json())
            )
        return True

    def served(self, start: datetime) -> dict[RoundKind, datetime]:
        """Of both kinds, the newest instant that was served; `start` where none ever was."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO served VALUES (?, ?)",
                [("search", start.isoformat()), ("read", start.isoformat())],
            )
        return {kind: _instant(text) for kind, text in self._all("SELECT * FROM served")}

    def asks_done(self) -> set[UUID]:
        return {UUID(id_) for (id_,) in self._all("SELECT id FROM ask_done")}

    # -- rounds

    def begin(self, begun: Round, served: datetime) -> None:
        """Before the round's first datagram; with it, its instant or ask is served."""
        row = (
            str(begun.id),
            begun.kind,
            str(begun.ask) if begun.ask else None,
            begun.wish.model_dump_json(),
            begun.started_at.isoformat(),
            begun.deadline.isoformat(),
        )
        with self._transaction():
            self._db.execute(
                "INSERT INTO round (id, kind, ask, wish, started_at, deadline)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            if begun.ask:
                at = (str(begun.ask), begun.started_at.isoformat())
                self._db.execute("INSERT OR IGNORE INTO ask_done VALUES (?, ?)", at)
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO served VALUES (?, ?)", (begun.kind, served.isoformat())
                )

    def open_round(self) -> Round | None:
        """The oldest round that is not finished."""
        row = self._one(
            "SELECT id, kind, wish, started_at, deadline, ask, state, packets, bytes"
            " FROM round WHERE state != 'finished' ORDER BY started_at LIMIT 1"
        )
        if row is None:
            return None
        id_, kind, wish, started_at, deadline, ask, state, packets, octets = row
        return Round(
            UUID(id_),
            kind,
            Wish.model_validate_json(wish),
            _instant(started_at),
            _instant(deadline),
            UUID(ask) if ask else None,
            state == "closing",
            packets,
            octets,
        )

    def count(self, round_id: UUID, packets: int, octets: int) -> None:
        self._write(
            "UPDATE round SET packets = ?, bytes = ? WHERE id = ?", packets, octets, str(round_id)
        )

    def counts(self, round_id: UUID) -> tuple[int, int]:
        """Packets and bytes of a round so far."""
        [(packets, octets)] = self._all(
            "SELECT packets, bytes FROM round WHERE id = ?", str(round_id)
        )
        return packets, octets

    def add_answer(self, round_id: UUID, finding: Finding, now: datetime) -> None:
        """What answered; a printing device is known from now on."""
        target = finding.target
        where = (target.key, target.snmp, target.port)
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO answer"
                " (round, target, address, port, outcome, found_by, credential, version, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    str(round_id),
                    *where,
                    finding.outcome,
                    finding.found_by,
                    finding.credential,
                    finding.version,
                    finding.reason,
                ),
            )
            if finding.outcome == "printing":
                self._db.execute(
                    "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?, 0)",
                    (*where, finding.credential, finding.version, now.isoformat()),
                )

    def add_ipp(self, round_id: UUID, target: IppTarget) -> None:
        """A printer that is read without being asked first."""
        self._write(
            "INSERT OR IGNORE INTO answer"
            " (round, target, address, port, outcome, found_by, credential, version, reason)"
            " VALUES (?, ?, ?, 0, 'printing', 'named', '', 0, '')",
            *(str(round_id), target.key, target.ipp),
        )

    def answers(self, round_id: UUID) -> list[AnswerRow]:
        rows = self._all(
            "SELECT address, port, outcome, found_by, credential, reason, given, published"
            " FROM answer WHERE round = ? ORDER BY target",
            str(round_id),
        )
        return [
            AnswerRow(
                SnmpTarget(snmp=address, port=port) if port else IppTarget(ipp=address),
                outcome,
                found_by,
                credential,
                reason,
                given,
                bool(published),
            )
            for address, port, outcome, found_by, credential, reason, given, published in rows
        ]

    # -- orders

    def giving(self, round_id: UUID, target: SnmpTarget | IppTarget, change: int) -> None:
        """`change` is 1 before an order is published, and -1 where the bus did not take it."""
        self._write(
            "UPDATE answer SET given = given + ? WHERE round = ? AND target = ?",
            change,
            str(round_id),
            target.key,
        )

    def order_published(self, round_id: UUID, target: SnmpTarget | IppTarget) -> None:
        self._write(
            "UPDATE answer SET published = 1 WHERE round = ? AND target = ?",
            str(round_id),
            target.key,
        )

    # -- the end of a round

    def close_round(
        self, round_id: UUID, bodies: Sequence[bytes], silent: Iterable[SnmpTarget]
    ) -> None:
        """The round's last messages, before the first of them is published."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO body (round, part, body) VALUES (?, ?, ?)",
                [(str(round_id), part, body) for part, body in enumerate(bodies, 1)],
            )
            self._db.executemany(
                "UPDATE known SET silent_rounds = silent_rounds + 1 WHERE target = ?",
                [(target.key,) for target in silent],
            )
            self._db.execute("UPDATE round SET state = 'closing' WHERE id = ?", (str(round_id),))

    def unpublished_bodies(self, round_id: UUID) -> list[tuple[int, bytes]]:
        return self._all(
            "SELECT part, body FROM body WHERE round = ? AND NOT published ORDER BY part",
            str(round_id),
        )

    def body_published(self, round_id: UUID, part: int) -> None:
        self._write(
            "UPDATE body SET published = 1 WHERE round = ? AND part = ?", str(round_id), part
        )

    def finish(self, round_id: UUID) -> None:
        """The round is over; only the newest finished ones are kept."""
        with self._transaction():
            self._db.execute("UPDATE round SET state = 'finished' WHERE id = ?", (str(round_id),))
            self._db.execute(
                "DELETE FROM round WHERE id IN (SELECT id FROM round WHERE state = 'finished'"
                " ORDER BY started_at DESC LIMIT -1 OFFSET ?)",
                (_ROUNDS_KEPT,),
            )

    # -- devices

    def known(self) -> list[KnownRow]:
        rows = self._all(
            "SELECT address, port, credential, version, last_answered_at, silent_rounds"
            " FROM known ORDER BY target"
        )
        return [
            KnownRow(Known(address, port, credential, version), _instant(answered), silent)
            for address, port, credential, version, answered, silent in rows
        ]

    # -- SQLite

    def _set_up(self) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if version not in {0, _VERSION}:
            raise RosterError(f"{self._path}: of version {version}, made by a newer release")
        for statement in _TABLES.read_text(encoding="utf-8").split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:  # a full disk, most often
            raise RosterError(f"{self._path}: cannot be written: {error}") from error

    def _write(self, statement: str, *values: str | int) -> None:
        with self._transaction():
            self._db.execute(statement, values)

    def _all(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:  # a torn file, a disk that fails
            raise RosterError(f"{self._path}: cannot be read: {error}") from error

    def _one(self, statement: str) -> tuple[Any, ...] | None:
        return next(iter(self._all(statement)), None)


def _is_before(body: bytes, scope: Scope) -> bool:
    """Whether a kept scope was changed before another; one that cannot be read gives way."""
    try:
        kept = decode(Scope.routing_key, body)
    except MessageError:
        return True
    assert isinstance(kept, Scope)
    return kept.changed_at < scope.changed_at


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
