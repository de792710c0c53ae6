"""What devices of one kind have in common: the rows of their tables, and how they like to be asked.

A device that is read for the first time is asked for the rows that the last one of its kind had,
and whether there are others; so its read holds nothing but its own answers, and all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from services.poller.mib import ALERT_COLUMNS, HR_DEVICE_DESCR, SYS_OBJECT_ID
from services.poller.recognise import Choice
from services.poller.rows import Rows
from shared.snmp.port import USUAL_VARBINDS, Manners, Varbind, Walk

MAX_KINDS = 500
_MAX_TABLES = 16  # of a kind
_MAX_TEXT = 1024  # characters of the instances of a table; 30 supplies take 120

_Wanted = tuple[tuple[str, ...], str]  # columns, and the instance after which they begin


class Kind:
    """A model of a maker, as far as the first rows tell it."""

    def __init__(self) -> None:
        self._max_varbinds = USUAL_VARBINDS
        self._tables: dict[_Wanted, tuple[Walk, ...]] = {}  # as they are asked for

    def begin(self, manners: Manners) -> None:
        """As many varbinds a request as the last one took."""
        if not manners.took_fewer:
            manners.max_varbinds = max(manners.max_varbinds, self._max_varbinds)

    def end(self, manners: Manners) -> None:
        self._max_varbinds = manners.max_varbinds

    def known(self, walks: Sequence[Walk]) -> list[Walk]:
        """`walks` by the rows that they gave last; what they give is the same."""
        return [each for walk in walks for each in self._tables.get(_wanted(walk), (walk,))]

    def learn(self, walks: Sequence[Walk], found: Mapping[str, Mapping[str, Varbind]]) -> None:
        """That `walks` gave `found`. Alerts come and go, and are walked each time."""
        for walk in walks:
            if walk.max_rows == 1 or walk.columns == ALERT_COLUMNS:
                continue
            known = self._tables.pop(_wanted(walk), None)
            if not known or not all(_gave(each, found) for each in known):
                known = _as_found(walk, found)
            if sum(len(at) for each in known for at in each.instances or ()) <= _MAX_TEXT:
                self._tables[_wanted(walk)] = known
            if len(self._tables) > _MAX_TABLES:
                self._tables.clear()


def _wanted(walk: Walk) -> _Wanted:
    return walk.columns, walk.after


def _gave(known: Walk, found: Mapping[str, Mapping[str, Varbind]]) -> bool:
    return all(tuple(found.get(column, ())) == known.instances for column in known.columns)


def _as_found(walk: Walk, found: Mapping[str, Mapping[str, Varbind]]) -> tuple[Walk, ...]:
    """Columns with the same rows together; each that is empty alone, so that it is asked for."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for column in walk.columns:
        instances = tuple(found.get(column, ()))
        groups.setdefault(instances or (column,), []).append(column)
    octets = walk.octets // len(walk.columns)
    return tuple(
        walk._replace(
            columns=tuple(columns),
            octets=octets * len(columns),
            instances=tuple(found.get(columns[0], ())),
            may_change=True,
        )
        for columns in groups.values()
    )


class Kinds:
    """The kinds of the devices that were read last, MAX_KINDS at most."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[object, ...], Kind] = OrderedDict()

    def of(self, rows: Rows, choice: Choice, manners: Manners) -> Kind:
        """By the first rows. One whose counters must be walked has none in common with others."""
        quirks, model = choice.profile.quirks, rows.one(SYS_OBJECT_ID)
        if quirks and quirks.stale:
            return Kind()
        names = [cell.value for cell in rows.column(HR_DEVICE_DESCR).values()]
        key = (choice.profile.label, manners.version, model and model.value, *names)
        kind = self._kinds.setdefault(key, Kind())
        self._kinds.move_to_end(key)
        if len(self._kinds) > MAX_KINDS:
            self._kinds.popitem(last=False)
        return kind
