"""Walking a table's columns side by side, with GETBULK where the device does it right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.snmp.ask import Asker
from shared.snmp.error_status import NO_SUCH_NAME
from shared.snmp.port import ErrorStatusError, MalformedAnswerError, NoAnswerError, Varbind
from shared.snmp.wire import GETBULK, GETNEXT, V2C, SnmpMessage, exists

_MAX_COLUMNS = 10
_MAX_REPETITIONS = 50
_ANSWER_BYTES = 1400 - 28 - 60  # asked for at most, so that no answer travels in fragments


@dataclass
class _Column:
    oid: str
    last: str  # where it was walked to
    rows: dict[str, Varbind] = field(default_factory=dict)
    seen: int = 0
    ended: bool = False

    def take(self, varbind: Varbind, max_rows: int) -> None:
        """Raises: MalformedAnswerError, where the instances do not increase."""
        prefix = f"{self.oid}."
        if not exists(varbind) or not varbind.oid.startswith(prefix):
            self.ended = True
            return
        if _order(varbind.oid) <= _order(self.last):
            raise MalformedAnswerError(
                f"the walk does not advance: {varbind.oid} came after {self.last}"
            )
        self.last = varbind.oid
        self.seen += 1
        self.ended = self.seen >= max_rows
        if varbind.type != "Null":
            self.rows[varbind.oid.removeprefix(prefix)] = varbind


class Walker:
    """Walks one device's tables, and remembers how it likes to be asked.

    Each answer that is accepted moves a column on or ends it, so that `max_rows` bounds the
    datagrams, whatever the device does.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._takes_bulk: bool | None = None  # None: not yet known
        self._varbind_bytes = 32  # of the last answer; a beginning for numbers and short texts

    async def walk(
        self, columns: Sequence[str], max_rows: int
    ) -> Mapping[str, Mapping[str, Varbind]]:
        """As SnmpSession.table."""
        walked = [_Column(oid, oid) for oid in dict.fromkeys(columns)]
        width = _MAX_COLUMNS
        while open_ := [column for column in walked if not column.ended][:width]:
            # the first question of a session is one that v1 knows as well
            if self._asker.version == V2C and self._takes_bulk is not False:
                await self._bulk(open_, max_rows)
                continue
            try:
                await self._next(open_, max_rows)
            except (ErrorStatusError, MalformedAnswerError):
                if len(open_) == 1:
                    raise
                width = len(open_) // 2
        return {column.oid: column.rows for column in walked}

    async def _bulk(self, open_: Sequence[_Column], max_rows: int) -> None:
        """One GETBULK; a device that does not do it right is asked GETNEXT from then on."""
        repetitions = _ANSWER_BYTES // (len(open_) * self._varbind_bytes)
        repetitions = max(1, min(repetitions, _MAX_REPETITIONS, max_rows))
        before = self._asker.traffic.bytes_in
        try:
            answer = await self._asker.ask(
                GETBULK,
                [column.last for column in open_],
                max_repetitions=repetitions,
                tries=None if self._takes_bulk else 1,
            )
            self._take(open_, answer, repetitions, max_rows)
        except (ErrorStatusError, MalformedAnswerError):
            self._takes_bulk = False
        except NoAnswerError:
            if self._takes_bulk:
                raise
            self._takes_bulk = False
        else:
            self._takes_bulk = True
            came = self._asker.traffic.bytes_in - before
            self._varbind_bytes = max(20, came // len(answer.varbinds))

    async def _next(self, open_: Sequence[_Column], max_rows: int) -> None:
        """One GETNEXT. Raises: NoAnswerError, ErrorStatusError, MalformedAnswerError."""
        answer = await self._asker.ask(GETNEXT, [column.last for column in open_])
        if answer.error_status == NO_SUCH_NAME:  # v1: nothing comes after
            index = 1 if len(open_) == 1 else answer.error_index
            if 1 <= index <= len(open_):
                open_[index - 1].ended = True
                return
        self._take(open_, answer, 1, max_rows)

    def _take(
        self, open_: Sequence[_Column], answer: SnmpMessage, repetitions: int, max_rows: int
    ) -> None:
        """Gives each varbind to its column, RFC 3416 section 4.2.3; an answer may end anywhere.

        Raises: ErrorStatusError, MalformedAnswerError.
        """
        name = self._asker.name
        self._asker.refuse_error([column.last for column in open_], answer)
        if not 1 <= len(answer.varbinds) <= len(open_) * repetitions:
            raise MalformedAnswerError(
                f"{name}: asked for what comes after {open_[0].last}, "
                f"answered with {len(answer.varbinds)} varbinds"
            )
        for number, varbind in enumerate(answer.varbinds):
            column = open_[number % len(open_)]
            if column.ended:
                continue
            try:
                column.take(varbind, max_rows)
            except MalformedAnswerError as error:
                raise MalformedAnswerError(f"{name}: {error}") from None


def _order(oid: str) -> tuple[int, ...]:
    return tuple(map(int, oid.split(".")))
