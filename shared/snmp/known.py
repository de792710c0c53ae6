"""Tables whose rows are known from before, asked and answered by position; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.snmp.error_status import NO_ERROR
from shared.snmp.message import VALUELESS, SnmpMessage, exists
from shared.snmp.oids import order
from shared.snmp.port import Varbind, Walk
from shared.snmp.tables import Table


class Known(NamedTuple):
    """What one answer ends, as one question: the same for all devices of a model.

    Args:
        starts: what GETNEXT is asked for.
        oids: what is answered where the rows are still these; "" for a table's end, and where
            one row of a column is wanted, whichever it is.
        ends: where a table's end is asked for, and the prefix that its rows would have.
        firsts: where any row is asked for, its column, and the prefix of that.
        columns: each with its instances, and where in the answer they begin.
        octets: of the answer, about.
    """

    starts: tuple[str, ...]
    oids: list[str]
    ends: tuple[tuple[int, str], ...]
    firsts: tuple[tuple[int, str, str], ...]
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
        for at, _, _ in self.firsts:
            if order(oids[at]) > order(self.starts[at]) or not exists(answer.varbinds[at]):
                oids[at] = ""
        return oids == self.oids

    def rows_in(self, answer: SnmpMessage) -> dict[str, dict[str, Varbind]]:
        varbinds = answer.varbinds
        rows = {
            column: dict(zip(instances, varbinds[begin : begin + len(instances)], strict=True))
            for column, instances, begin in self.columns
        }
        for at, column, prefix in self.firsts:
            cells, oid = rows.setdefault(column, {}), varbinds[at][0]
            if oid.startswith(prefix):
                cells[oid[len(prefix) :]] = varbinds[at]
        if VALUELESS.isdisjoint([varbind[1] for varbind in varbinds]):
            return rows
        return {column: existing(cells) for column, cells in rows.items()}


def existing(cells: Mapping[str, Varbind]) -> dict[str, Varbind]:
    """Those that have a value."""
    return {at: varbind for at, varbind in cells.items() if varbind[1] not in VALUELESS}


def known_question(walks: tuple[Walk, ...]) -> Known | None:
    """None where one answer may leave rows over."""
    if any(map(is_open, walks)):
        return None
    starts: list[str] = []
    oids: list[str] = []
    ends: list[tuple[int, str]] = []
    firsts: list[tuple[int, str, str]] = []
    columns: list[tuple[str, tuple[str, ...], int]] = []
    octets = 0
    for column in (column for walk in walks for column in Table(walk).columns):
        rows = column.due[::-1] if column.due else []
        if column.due is None:
            firsts.append((len(oids), column.oid, column.prefix))
            rows = [""]
        else:
            columns.append((column.oid, column.table.walk.instances or (), len(starts)))
        if column.ended:
            continue
        asks_end = column.leads and column.due is not None
        asked = [column.last, *rows] if asks_end else [column.last, *rows[:-1]]
        starts += asked
        oids += rows
        octets += len(asked) * column.octets
        if asks_end:
            ends.append((len(oids), column.prefix))
            oids.append("")
    return Known(tuple(starts), oids, tuple(ends), tuple(firsts), tuple(columns), octets)


class Part(NamedTuple):
    """What is asked together: `closed` by one question that ends it, and `open` beside it."""

    known: Known | None  # of `closed`
    closed: tuple[Walk, ...]
    open: tuple[Walk, ...] = ()


@lru_cache(maxsize=1024)
def parts_of(
    walks: tuple[Walk, ...], width: int, room: int, *, takes_bulk: bool
) -> tuple[Part, ...]:
    """`walks` in questions of `width` varbinds at most, whose answers have `room` octets.

    What is not known is open, and comes with the last of them where it has room; so is a column
    that no answer would hold. Where GETBULK is not to be had, first rows alone are one question.
    """
    open_: list[Walk] = []
    groups: list[tuple[Walk, ...]] = [()]
    one_ends_all = not takes_bulk and not any(map(is_open, walks))
    for walk in walks:
        if walk.instances is None and not one_ends_all:
            open_.append(walk)
            continue
        left = walk
        while left.columns:
            counts = range(len(left.columns), 0, -1)
            begins = (_narrowed(left, 0, count) for count in counts)
            fits = next((one for one in begins if _fits((*groups[-1], one), width, room)), None)
            if fits:
                groups[-1] = (*groups[-1], fits)
                left = _narrowed(left, len(fits.columns), len(left.columns))
            elif groups[-1]:
                groups.append(())
            else:
                open_.append(left)
                break
    parts = [Part(known_question(group), group) for group in groups if group]
    if open_ and parts and _fits(parts[-1].closed, width, room, open_):
        parts[-1] = parts[-1]._replace(open=tuple(open_))
    elif open_:
        parts.append(Part(None, (), tuple(open_)))
    return tuple(parts)


def is_open(walk: Walk) -> bool:
    """Whether more may come than one question ends."""
    return walk.instances is None and walk.max_rows > 1


def _narrowed(walk: Walk, begin: int, end: int) -> Walk:
    """Of some of its columns."""
    columns = walk.columns[begin:end]
    return walk._replace(columns=columns, octets=walk.octets * len(columns) // len(walk.columns))


def _fits(closed: tuple[Walk, ...], width: int, room: int, beside: Sequence[Walk] = ()) -> bool:
    """Whether the question for `closed` does, with what `beside` is expected to take."""
    known = known_question(closed)
    columns = [column for walk in beside for column in Table(walk).columns]
    octets = sum(column.octets * (column.table.left + 1) for column in columns)
    return (
        known is not None
        and len(known.starts) + len(columns) <= width
        and known.octets + octets <= room
    )
