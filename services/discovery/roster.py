"""The roster: open rounds, what answered, and the devices that are known; SQLite, never lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.discovery.devices import Device
from services.discovery.plan import Wish
from services.discovery.roster_file import RosterError as RosterError
from services.discovery.roster_file import RosterFile
from services.discovery.roster_rows import (
    ADD_ANSWER,
    ADD_KNOWN,
    ANSWERS,
    KNOWN,
    AnswerRow,
    answer_row,
    answer_values,
    known_device,
    known_values,
)
from shared.decode import MessageError, decode
from shared.messages import Target
from shared.schedule import RoundKind
from shared.scope import Scope

_ROUNDS_KEPT = 50


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


class Roster(RosterFile):
    """One process has it open at a time. Every method is durable when it returns."""

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

    def add_answer(self, round_id: UUID, row: AnswerRow) -> bool:
        """Whether it is the first of its target; only that counts."""
        return self._write(ADD_ANSWER, *answer_values(row), str(round_id)) > 0

    def answers(self, round_id: UUID) -> list[AnswerRow]:
        return [answer_row(values) for values in self._all(ANSWERS, str(round_id))]

    # -- orders

    def giving(self, round_id: UUID, target: Target, change: int) -> None:
        """`change` is 1 before an order is published, and -1 where the bus did not take it."""
        self._write(
            "UPDATE answer SET given = given + ? WHERE round = ? AND target = ?",
            change,
            str(round_id),
            target.key,
        )

    def order_published(self, round_id: UUID, target: Target) -> None:
        self._write(
            "UPDATE answer SET published = 1 WHERE round = ? AND target = ?",
            str(round_id),
            target.key,
        )

    # -- the end of a round

    def close_round(self, round_id: UUID, bodies: Sequence[bytes], known: Iterable[Device]) -> None:
        """The round's last messages, before the first of them is published, and who is known."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO body (round, part, body) VALUES (?, ?, ?)",
                [(str(round_id), part, body) for part, body in enumerate(bodies, 1)],
            )
            self._db.execute("DELETE FROM known")
            self._db.executemany(ADD_KNOWN, map(known_values, known))
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

    def known(self) -> list[Device]:
        return [known_device(values) for values in self._all(KNOWN)]


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
