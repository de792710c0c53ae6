"""Walking tables side by side: as many of them in a datagram as its answer may be long.

GETBULK where the device does it right, else GETNEXT. What is expected to give one varbind more
(a scalar, the end of a table) goes ahead as a non-repeater, RFC 3416 section 4.2.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.snmp.ask import Asker, lost_for_its_length, refuse_error
from shared.snmp.error_status import NO_ERROR, NO_SUCH_NAME, TOO_BIG
from shared.snmp.known import Known, is_open, parts_of
from shared.snmp.port import (
    USUAL_VARBINDS,
    ErrorStatusError,
    MalformedAnswerError,
    NoAnswerError,
    RowsChangedError,
    Varbind,
    Walk,
)
from shared.snmp.tables import Question, Table, one_each, packed
from shared.snmp.wire import GETBULK, GETNEXT, V2C, SnmpMessage


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
        found: dict[str, dict[str, Varbind]] = {}
        room = self._guessed_room if any(map(is_open, walks)) else self._room
        width, takes_bulk = self._asker.width, self._takes_bulk
        parts = parts_of(tuple(walks), width, room, takes_bulk=takes_bulk)
        for number, part in enumerate(parts, 1):
            open_ = [Table(walk) for walk in part.open]
            if part.known:
                rows, answer = await self._ask_known(part.known, open_)
                if rows is None:
                    closed = [Table(walk) for walk in part.closed]
                    later = [walk for part in parts[number:] for walk in part.closed + part.open]
                    tables = [*closed, *open_, *map(Table, map(_unknown, later))]
                    await self._walk(tables, answer, len(part.known.starts))
                    return _joined(found, tables)
                found |= rows
            await self._walk(open_)
            found = _joined(found, open_)
        return found

    async def _walk(
        self, tables: Sequence[Table], answer: SnmpMessage | None = None, answered: int = 0
    ) -> None:
        """Until they end. `answer` is to the first `answered` questions, where there is one."""
        width = self._asker.width
        while open_ := [table for table in tables if not table.ended]:
            if self._takes_bulk and answer is None:
                await self._bulk(open_)
                continue
            asked = one_each(open_, min(width, self._asker.width), self._guessed_room)
            if answer:
                asked = one_each(open_, answered, self._room)
            try:
                await self._next(asked, answer)
            except (ErrorStatusError, MalformedAnswerError):
                if len(asked) == 1:
                    raise
                width = len(asked) // 2
            answer = None

    @property
    def _takes_bulk(self) -> bool:
        """The first question of a session is one that v1 knows as well."""
        return self._manners.version == V2C and self._manners.takes_bulk is not False

    async def _ask_known(
        self, known: Known, open_: Sequence[Table]
    ) -> tuple[dict[str, dict[str, Varbind]] | None, SnmpMessage | None]:
        """The rows; or None, and what came in their place to a question for them alone.

        Raises: MalformedAnswerError.
        """
        if open_ and self._takes_bulk:
            return await self._bulk(open_, known), None
        try:
            answer = await self._asker.ask(GETNEXT, known.starts)
        except NoAnswerError:
            if lost_for_its_length(self._asker):
                return None, None
            if len(known.starts) <= USUAL_VARBINDS or not self._asker.traffic.packets_in:
                raise
            self._manners.take_fewer(USUAL_VARBINDS)
            return None, None
        return (known.rows_in(answer), None) if known.is_answered_by(answer) else (None, answer)

    @property
    def _room(self) -> int:
        return self._manners.message_octets - self._asker.head_octets

    @property
    def _guessed_room(self) -> int:
        """Of what may be longer than it is thought; it matters where a longest message is set."""
        return self._room if self._manners.max_message is None else self._room * 3 // 4

    async def _bulk(
        self, open_: Sequence[Table], known: Known | None = None
    ) -> dict[str, dict[str, Varbind]] | None:
        """One GETBULK; a device that does not do it right is asked GETNEXT from then on.

        The rows of `known`, which is asked for beside; None where others came.
        """
        manners = self._manners
        first, octets = (known.starts, known.octets) if known else ((), 0)
        width, room = self._asker.width - len(first), self._guessed_room - octets
        singles, repeated, repetitions = packed(open_, width, room)
        asked = singles + repeated
        starts = [*first, *(question.start for question in asked)]
        rows = None
        try:
            answer = await self._asker.ask(
                GETBULK,
                starts,
                non_repeaters=len(first) + len(singles),
                max_repetitions=repetitions,
                tries=None if manners.takes_bulk else 1,
            )
            may_fit = manners.takes_bulk or not manners.is_shortest
            if answer.error_status == TOO_BIG and may_fit and len(starts) > 1:
                manners.heed_too_big(len(starts))
                return None
            refuse_error(self._asker.name, starts, answer)
            came = answer.varbinds[len(first) :]
            if known:
                beside = answer._replace(varbinds=answer.varbinds[: len(first)])
                rows = known.rows_in(beside) if known.is_answered_by(beside) else None
            if came or not known:
                came_so = answer._replace(varbinds=came)
                self._take(asked, came_so, len(singles), repetitions)
        except (ErrorStatusError, MalformedAnswerError):
            manners.takes_bulk = False
        except NoAnswerError:
            if not manners.takes_bulk:
                manners.takes_bulk = False
            elif not lost_for_its_length(self._asker):
                raise
        else:
            manners.takes_bulk = True
            manners.gave(len(answer.varbinds))
        return rows

    async def _next(self, asked: Sequence[Question], answer: SnmpMessage | None) -> None:
        """One GETNEXT, or what was answered to it.

        Raises: NoAnswerError, ErrorStatusError, MalformedAnswerError.
        """
        try:
            starts = [question.start for question in asked]
            answer = answer or await self._asker.ask(GETNEXT, starts)
        except NoAnswerError:
            if len(asked) == 1 or not lost_for_its_length(self._asker):
                raise
            return
        if answer.error_status == NO_SUCH_NAME:  # v1: nothing comes after
            index = 1 if len(asked) == 1 else answer.error_index
            if 1 <= index <= len(asked):
                self._take([asked[index - 1]], _nothing_after(answer, asked[index - 1].start), 1, 0)
                return
        if answer.error_status == TOO_BIG and len(asked) > 1:
            self._manners.heed_too_big(len(asked))
            return
        self._take(asked, answer, len(asked), 0)

    def _take(
        self, asked: Sequence[Question], answer: SnmpMessage, singles: int, repetitions: int
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
        for at, question in enumerate(asked):
            column = question.column
            came = answer.varbinds[at : at + 1] if at < singles else answer.varbinds[at::repeated]
            try:
                column.take(came, name)
            except RowsChangedError:
                if not column.table.walk.may_change:
                    raise
                column.table.begin_anew()


def _joined(
    found: dict[str, dict[str, Varbind]], tables: Iterable[Table]
) -> dict[str, dict[str, Varbind]]:
    for column in (column for table in tables for column in table.columns):
        found.setdefault(column.oid, {}).update(column.rows)
    return found


def _unknown(walk: Walk) -> Walk:
    return walk._replace(instances=None) if walk.may_change else walk


def _nothing_after(answer: SnmpMessage, start: str) -> SnmpMessage:
    """What v1 says with noSuchName, as v2c says it."""
    end = Varbind(start, "endOfMibView", None)
    return answer._replace(error_status=NO_ERROR, error_index=0, varbinds=[end])
