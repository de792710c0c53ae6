"""Walking tables side by side: as many of them in a datagram as its answer may be long.

GETBULK where the device does it right, else GETNEXT. What is expected to give one varbind more
(a scalar, the end of a table) goes ahead as a non-repeater, RFC 3416 section 4.2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.snmp.ask import Asker, refuse_error
from shared.snmp.error_status import NO_ERROR, NO_SUCH_NAME, TOO_BIG
from shared.snmp.message import VALUELESS
from shared.snmp.oids import order
from shared.snmp.port import (
    USUAL_VARBINDS,
    ErrorStatusError,
    MalformedAnswerError,
    NoAnswerError,
    RowsChangedError,
    Varbind,
    Walk,
)
from shared.snmp.wire import GETBULK, GETNEXT, V2C, SnmpMessage, encode_oid, exists

MESSAGE_OCTETS = 1400 - 28  # asked for at most, so that no answer travels in fragments
_VARBIND_OCTETS = 8  # beside the OID of a column and the value: an instance of two arcs, headers
_MAX_REPETITIONS = 50


class Walker:
    """Walks one device's tables, and learns how it likes to be asked.

    Each answer that is accepted moves a column on or ends it, so that `max_rows` bounds the
    datagrams, whatever the device does.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._manners = asker.manners

    async def walk(self, walks: Sequence[Walk]) -> Mapping[str, Mapping[str, Varbind]]:
        """As SnmpSession.walk."""
        known = _known(tuple(walks))
        answer = None
        if known and len(known.starts) <= self._asker.width and known.octets <= self._room:
            answer = await self._ask_known(known)
            if answer and known.is_answered_by(answer):
                return known.rows_in(answer)
        tables = [_Table(walk) for walk in walks]
        if known and answer and answer.error_status == NO_ERROR:
            asked = _plain(tables, len(known.starts), self._room)
            self._take(asked, answer, len(asked), 0)
        width = self._asker.width
        while open_ := [table for table in tables if not table.ended]:
            # the first question of a session is one that v1 knows as well
            if self._manners.version == V2C and self._manners.takes_bulk is not False:
                await self._bulk(open_)
                continue
            asked = _plain(open_, min(width, self._asker.width), self._room)
            try:
                await self._next(asked)
            except (ErrorStatusError, MalformedAnswerError):
                if len(asked) == 1:
                    raise
                width = len(asked) // 2
        found: dict[str, dict[str, Varbind]] = {}
        for column in (column for table in tables for column in table.columns):
            found.setdefault(column.oid, {}).update(column.rows)
        return found

    async def _ask_known(self, known: _Known) -> SnmpMessage | None:
        """None where nothing came to so long a question.  Raises: MalformedAnswerError."""
        try:
            return await self._asker.ask(GETNEXT, known.starts)
        except NoAnswerError:
            if len(known.starts) <= USUAL_VARBINDS or not self._asker.traffic.packets_in:
                raise
            self._manners.take_fewer(USUAL_VARBINDS)
            return None

    @property
    def _room(self) -> int:
        return MESSAGE_OCTETS - self._asker.head_octets

    async def _bulk(self, open_: Sequence[_Table]) -> None:
        """One GETBULK; a device that does not do it right is asked GETNEXT from then on."""
        manners = self._manners
        singles, repeated, repetitions = _packed(open_, self._asker.width, self._room)
        asked = singles + repeated
        try:
            answer = await self._asker.ask(
                GETBULK,
                [question.start for question in asked],
                non_repeaters=len(singles),
                max_repetitions=repetitions,
                tries=None if manners.takes_bulk else 1,
            )
            self._take(asked, answer, len(singles), repetitions)
        except (ErrorStatusError, MalformedAnswerError):
            manners.takes_bulk = False
        except NoAnswerError:
            if manners.takes_bulk:
                raise
            manners.takes_bulk = False
        else:
            manners.takes_bulk = True
            manners.gave(len(answer.varbinds))

    async def _next(self, asked: Sequence[_Question]) -> None:
        """One GETNEXT. Raises: NoAnswerError, ErrorStatusError, MalformedAnswerError."""
        answer = await self._asker.ask(GETNEXT, [question.start for question in asked])
        if answer.error_status == NO_SUCH_NAME:  # v1: nothing comes after
            index = 1 if len(asked) == 1 else answer.error_index
            if 1 <= index <= len(asked):
                self._take([asked[index - 1]], _nothing_after(answer, asked[index - 1].start), 1, 0)
                return
        if answer.error_status == TOO_BIG:
            self._manners.take_fewer(len(asked) // 2)
        self._take(asked, answer, len(asked), 0)

    def _take(
        self, asked: Sequence[_Question], answer: SnmpMessage, singles: int, repetitions: int
    ) -> None:
        """Gives each varbind to its column, RFC 3416 section 4.2.3; an answer may end anywhere.

        Raises: ErrorStatusError, MalformedAnswerError, RowsChangedError.
        """
        name = self._asker.name
        refuse_error(name, [question.start for question in asked], answer)
        repeated = len(asked) - singles
        if not 1 <= len(answer.varbinds) <= singles + repeated * repetitions:
            raise MalformedAnswerError(
                f"{name}: asked for what comes after {asked[0].start}, "
                f"answered with {len(answer.varbinds)} varbinds"
            )
        for number, varbind in enumerate(answer.varbinds):
            at = number if number < singles else singles + (number - singles) % repeated
            column = asked[at].column
            try:
                column.take(varbind, name)
            except RowsChangedError:
                if not column.table.walk.may_change:
                    raise
                column.table.begin_anew()


class _Question(NamedTuple):
    """What comes after `start`: a varbind of `column`, or its end."""

    column: _Column
    start: str
    octets: int  # of the varbind that answers, about


class _Column:
    """A column, and how far it was walked. `due` are rows that must come next, the last first."""

    def __init__(self, table: _Table, oid: str, *, leads: bool) -> None:
        walk = table.walk
        self.table = table
        self.oid = oid
        self.prefix = f"{oid}."
        self.last = f"{oid}.{walk.after}" if walk.after else oid
        self.leads = leads
        self.rows: dict[str, Varbind] = {}
        self.seen = 0
        self.octets = len(encode_oid(oid)) + _VARBIND_OCTETS + walk.octets // len(walk.columns)
        self.max_rows = walk.max_rows
        known = walk.instances
        self.due = None if known is None else [f"{oid}.{at}" for at in reversed(known)]
        self.ended = self.due == [] and not leads

    def take(self, varbind: Varbind, name: str) -> None:
        """Raises: MalformedAnswerError, where instances do not increase; RowsChangedError."""
        if self.ended:
            return
        oid = varbind.oid
        if not exists(varbind):
            self.end(name)
            return
        if order(oid) <= order(self.last):
            raise MalformedAnswerError(
                f"{name}: the walk does not advance: {oid} came after {self.last}"
            )
        if not oid.startswith(self.prefix):
            self.end(name)
            return
        if self.due is not None and (not self.due or oid != self.due.pop()):
            raise RowsChangedError(f"{name}: {oid} came where another row was before")
        self.last = oid
        self.seen += 1
        self.ended = self.seen >= self.max_rows or (self.due == [] and not self.leads)
        length = len(varbind.value) if isinstance(varbind.value, bytes) else 4
        octets = len(encode_oid(oid)) + 6 + length
        self.octets = max(self.octets, octets) if self.seen > 1 else octets
        if varbind.type != "Null":
            self.rows[oid[len(self.prefix) :]] = varbind

    def end(self, name: str) -> None:
        """Raises: RowsChangedError"""
        self.ended = True
        if self.due:
            raise RowsChangedError(f"{name}: {self.due[-1]} is not there any more")


class _Table:
    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.columns = self._columns()

    def _columns(self) -> list[_Column]:
        return [
            _Column(self, oid, leads=number == 0)
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

    def questions(self) -> Iterator[_Question]:
        """What comes next in each open column; of a table with known rows, all of them."""
        for column in self.columns:
            if column.ended:
                continue
            yield _Question(column, column.last, column.octets)
            due = column.due or []
            for start in due[::-1] if column.leads else due[:0:-1]:
                yield _Question(column, start, column.octets)


class _Known(NamedTuple):
    """Tables whose rows are known, as one question: the same for all devices of a model.

    Args:
        starts: what GETNEXT is asked for.
        oids: what is answered where the rows are still these; "" for a table's end.
        ends: where a table's end is asked for, and the prefix that its rows would have.
        columns: each with its instances, and where in the answer they begin.
        octets: of the answer, about.
    """

    starts: tuple[str, ...]
    oids: list[str]
    ends: tuple[tuple[int, str], ...]
    columns: tuple[tuple[str, tuple[str, ...], int], ...]
    octets: int

    def is_answered_by(self, answer: SnmpMessage) -> bool:
        """Whether each row that was known came, and none between them or after."""
        oids = [varbind[0] for varbind in answer.varbinds]
        if answer.error_status != NO_ERROR or len(oids) != len(self.starts):
            return False
        for at, prefix in self.ends:
            goes_on = order(oids[at]) > order(self.starts[at])
            if (goes_on and not oids[at].startswith(prefix)) or not exists(answer.varbinds[at]):
                oids[at] = ""
        return oids == self.oids

    def rows_in(self, answer: SnmpMessage) -> dict[str, dict[str, Varbind]]:
        varbinds = answer.varbinds
        rows = {
            column: dict(zip(instances, varbinds[begin : begin + len(instances)], strict=True))
            for column, instances, begin in self.columns
        }
        if not VALUELESS.isdisjoint([varbind[1] for varbind in varbinds]):
            return {column: _existing(cells) for column, cells in rows.items()}
        return rows


def _existing(cells: Mapping[str, Varbind]) -> dict[str, Varbind]:
    return {at: varbind for at, varbind in cells.items() if varbind.type not in VALUELESS}


@lru_cache(maxsize=1024)
def _known(walks: tuple[Walk, ...]) -> _Known | None:
    """None where not all rows are known."""
    if any(walk.instances is None for walk in walks):
        return None
    starts: list[str] = []
    oids: list[str] = []
    ends: list[tuple[int, str]] = []
    columns: list[tuple[str, tuple[str, ...], int]] = []
    octets = 0
    for column in (column for walk in walks for column in _Table(walk).columns):
        rows = column.due[::-1] if column.due else []
        columns.append((column.oid, column.table.walk.instances or (), len(starts)))
        asked = [column.last, *rows] if column.leads else [column.last, *rows[:-1]]
        if column.ended:
            continue
        starts += asked
        oids += rows
        octets += len(asked) * column.octets
        if column.leads:
            ends.append((len(oids), column.prefix))
            oids.append("")
    return _Known(tuple(starts), oids, tuple(ends), tuple(columns), octets)


def _plain(tables: Sequence[_Table], width: int, room: int) -> list[_Question]:
    """Questions for one varbind each, as many as one message takes."""
    asked: list[_Question] = []
    for table in tables:
        for question in table.questions():
            room -= question.octets
            if asked and (room < 0 or len(asked) >= width):
                return asked
            asked.append(question)
    return asked


def _packed(
    tables: Sequence[_Table], width: int, room: int
) -> tuple[list[_Question], list[_Question], int]:
    """Non-repeaters, repeaters and max-repetitions of one GETBULK.

    The first table that has rows left says how many repetitions; others join where they fit.
    """
    singles = _plain([table for table in tables if not table.left], width, room)
    room -= sum(question.octets for question in singles)
    rows = [(table, list(table.questions())) for table in tables if table.left]
    repetitions = _repetitions(rows, room)
    repeated: list[_Question] = []
    for _, row in rows if repetitions or not singles else ():
        columns = row[: width - len(singles) - len(repeated)]
        octets = repetitions * sum(question.octets for question in columns)
        if not repeated or octets <= room:
            repeated += columns
            room -= octets
    return singles, repeated, max(repetitions, 1)


def _repetitions(rows: Sequence[tuple[_Table, list[_Question]]], room: int) -> int:
    """As many as the first table wants; fewer, where that leaves enough for all others to end."""
    if not rows:
        return 0
    octets = [sum(question.octets for question in row) for _, row in rows]
    wanted = [table.left + 1 for table, _ in rows]
    together = room // sum(octets)
    fit = together if together >= max(wanted[1:], default=0) else room // octets[0]
    return min(wanted[0], rows[0][0].rows_at_most, _MAX_REPETITIONS, fit)


def _nothing_after(answer: SnmpMessage, start: str) -> SnmpMessage:
    """What v1 says with noSuchName, as v2c says it."""
    end = Varbind(start, "endOfMibView", None)
    return answer._replace(error_status=NO_ERROR, error_index=0, varbinds=[end])
