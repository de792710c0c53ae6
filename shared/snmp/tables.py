"""Tables on their way through a walk: how far each column is, and what to ask for next; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.snmp.encoder import encode_oid
from shared.snmp.message import exists
from shared.snmp.oids import order
from shared.snmp.port import MalformedAnswerError, RowsChangedError, Varbind, Walk

_VARBIND_OCTETS = 8  # beside the OID of a column and the value: an instance of two arcs, headers
_MAX_REPETITIONS = 50


class Column:
    """A column, and how far it was walked. `due` are rows that must come next, the last first."""

    def __init__(self, table: Table, oid: str, *, leads: bool) -> None:
        walk = table.walk
        self.table = table
        self.oid = oid
        self.prefix = f"{oid}."
        self.last = f"{oid}.{walk.after}" if walk.after else oid
        self._place = order(self.last)
        self.leads = leads
        self.rows: dict[str, Varbind] = {}
        self.seen = 0
        self.octets = len(encode_oid(oid)) + _VARBIND_OCTETS + walk.octets // len(walk.columns)
        self.max_rows = walk.max_rows
        known = walk.instances
        self.due = None if known is None else [f"{oid}.{at}" for at in reversed(known)]
        self.ended = self.due == [] and not leads

    def take(self, varbinds: Sequence[Varbind], name: str) -> None:
        """What came next, in the agent's order.

        Raises: MalformedAnswerError, where instances do not increase; RowsChangedError.
        """
        before, longest = self.seen, 0
        for varbind in varbinds:
            if self.ended:
                break
            oid, _, value = varbind
            if not exists(varbind):
                self.end(name)
                break
            place = order(oid)
            if place <= self._place:
                raise MalformedAnswerError(
                    f"{name}: the walk does not advance: {oid} came after {self.last}"
                )
            if not oid.startswith(self.prefix):
                self.end(name)
                break
            if self.due is not None and (not self.due or oid != self.due.pop()):
                raise RowsChangedError(f"{name}: {oid} came where another row was before")
            self.last, self._place = oid, place
            self.seen += 1
            self.ended = self.seen >= self.max_rows or (self.due == [] and not self.leads)
            longest = max(longest, len(value) if isinstance(value, bytes) else 4)
            if varbind.type != "Null":
                self.rows[oid[len(self.prefix) :]] = varbind
        if self.seen > before:
            octets = len(encode_oid(self.last)) + 6 + longest
            self.octets = max(self.octets, octets) if before else octets

    def end(self, name: str) -> None:
        """Raises: RowsChangedError"""
        self.ended = True
        if self.due:
            raise RowsChangedError(f"{name}: {self.due[-1]} is not there any more")


class Table:
    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.columns = self._columns()

    def _columns(self) -> list[Column]:
        return [
            Column(self, oid, leads=number == 0)
            for number, oid in enumerate(dict.fromkeys(self.walk.columns))
        ]

    def begin_anew(self) -> None:
        """Forget the rows that were known; what else is in this answer is of no use."""
        self.walk = self.walk._replace(instances=None)
        self.columns = self._columns()

    @property
    def ended(self) -> bool:
        return all(column.ended for column in self.columns)

    @property
    def left(self) -> int:
        """Rows that are still expected, 0 where only the end is; a longer table may be twice so."""
        seen = max(column.seen for column in self.columns)
        if self.walk.max_rows == 1 or self.walk.instances is not None:
            return 0
        if seen == self.walk.expected:
            return 0
        return self.walk.expected - seen if seen < self.walk.expected else seen

    @property
    def rows_at_most(self) -> int:
        return self.walk.max_rows - max(column.seen for column in self.columns)

    def questions(self) -> Iterator[Question]:
        """What comes next in each open column; of a table with known rows, all of them."""
        for column in self.columns:
            if column.ended:
                continue
            yield Question(column, column.last, column.octets)
            due = column.due or []
            for start in due[::-1] if column.leads else due[:0:-1]:
                yield Question(column, start, column.octets)


class Question(NamedTuple):
    """What comes after `start`: a varbind of `column`, or its end."""

    column: Column
    start: str
    octets: int  # of the varbind that answers, about


def one_each(tables: Sequence[Table], width: int, room: int) -> list[Question]:
    """Questions for one varbind each, as many as one message takes."""
    asked: list[Question] = []
    for table in tables:
        for question in table.questions():
            room -= question.octets
            if asked and (room < 0 or len(asked) >= width):
                return asked
            asked.append(question)
    return asked


def packed(
    tables: Sequence[Table], width: int, room: int
) -> tuple[list[Question], list[Question], int]:
    """Non-repeaters, repeaters and max-repetitions of one GETBULK.

    The first table that has rows left says how many repetitions; others join where they fit. Of
    a table so wide that no row fits, each column is asked for once.
    """
    singles = one_each([table for table in tables if not table.left], width, room)
    room -= sum(question.octets for question in singles)
    rows = [(table, list(table.questions())) for table in tables if table.left]
    repetitions = _repetitions(rows, room)
    if rows and not singles and not repetitions:
        return one_each([rows[0][0]], width, room), [], 1
    repeated: list[Question] = []
    for _, row in rows if repetitions or not singles else ():
        columns = row[: width - len(singles) - len(repeated)]
        octets = repetitions * sum(question.octets for question in columns)
        if not repeated or octets <= room:
            repeated += columns
            room -= octets
    return singles, repeated, max(repetitions, 1)


def _repetitions(rows: Sequence[tuple[Table, list[Question]]], room: int) -> int:
    """As many as the first table wants; fewer, where that leaves enough for all others to end."""
    if not rows:
        return 0
    octets = [sum(question.octets for question in row) for _, row in rows]
    wanted = [table.left + 1 for table, _ in rows]
    together = room // sum(octets)
    fit = together if together >= max(wanted[1:], default=0) else room // octets[0]
    return min(wanted[0], rows[0][0].rows_at_most, _MAX_REPETITIONS, fit)
