"""Which rows to ask a device for, in which order and together with which; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from services.poller.identity import mac_interface
from services.poller.mib import (
    ALERT_COLUMNS,
    ALERT_DESCRIPTION,
    COLORANT_VALUE,
    ETHERNET,
    GENERAL_COLUMNS,
    GENERAL_CONFIG_CHANGES,
    GENERAL_LOCALIZATION,
    GENERAL_SERIAL,
    HR_COLUMNS,
    HR_DEVICE_TYPE,
    HR_PRINTER_COLUMNS,
    IF_COLUMNS,
    LOCALIZATION_CHARSET,
    MARKER_COLUMNS,
    PRINTER_TYPE,
    SUPPLY_COLUMNS,
    SUPPLY_DESCRIPTION,
    SUPPLY_LEVEL,
    SYSTEM_COLUMNS,
)
from services.poller.profile_rows import Where
from services.poller.recognise import Choice
from services.poller.rows import Rows
from shared.snmp.port import Walk

MAX_ROWS = 200  # of a standard table; one that goes on is an agent's that makes up rows
_ONE_MORE = MAX_ROWS + 1

_LABEL = 24  # octets, about
_MANY = 4  # supplies: whether there are more says how many rows are asked for at once
_INKS = 5  # and a maintenance box, of a table of the maker's own
# The first row of each, and whether there are many supplies: one datagram of the usual 20
# varbinds, which a v1 agent answers as well. What is missing here comes with the counters.
FIRST = (
    *(
        Walk(columns, octets=octets, max_rows=1)
        for columns, octets in (
            (SYSTEM_COLUMNS, 120),
            (MARKER_COLUMNS, 6),
            (GENERAL_COLUMNS, 30),
            (HR_COLUMNS, 50),
            (HR_PRINTER_COLUMNS, 4),
            (IF_COLUMNS, 8),
            ((SUPPLY_DESCRIPTION,), 30),
            ((ALERT_DESCRIPTION,), 30),
        )
    ),
    Walk((SUPPLY_LEVEL,), octets=4, after=f"1.{_MANY}", max_rows=1),
)
_COLORANTS = Walk((COLORANT_VALUE,), expected=4, octets=8, max_rows=_ONE_MORE)
_HR_DEVICES = Walk(HR_COLUMNS, expected=6, octets=50, max_rows=_ONE_MORE)


def what_prints(rows: Rows, tell_tales: Sequence[str]) -> list[Walk]:
    """What the first rows leave open: whether it prints, and its supplies.

    Takes out of `rows` what told whether there are many supplies.
    """
    many = bool(rows.columns.pop(SUPPLY_LEVEL, None))
    return [
        *_after_first(rows, MARKER_COLUMNS, expected=0),
        *map(one, tell_tales),
        *_of_index(rows),
        _table(rows, SUPPLY_COLUMNS, SUPPLY_DESCRIPTION, expected=10 if many else _MANY),
        _COLORANTS,
        *_charset(rows),
    ]


def besides(rows: Rows) -> list[Walk]:
    """What a read holds beside counters and supplies."""
    interface = mac_interface(rows)
    if interface and interface.kind == ETHERNET:
        return [_alerts(rows)]
    return [_alerts(rows), *_after_first(rows, IF_COLUMNS, expected=3)]


def of_profile(rows: Rows, choice: Choice) -> list[Walk]:
    """The profile's own tables, each once; one whose rows are told by a label is a long one."""
    walks: list[Walk] = []
    there = set(rows.columns)
    for columns, where in _in_tables(choice):
        fresh = tuple([column for column in columns if column not in there])
        there.update(fresh)
        if fresh and where:
            walks.append(Walk(fresh, expected=40, octets=_LABEL + 4, max_rows=_ONE_MORE))
        elif fresh:
            walks.append(Walk(fresh, expected=4, octets=4 * len(fresh), max_rows=_ONE_MORE))
    supplies = tuple(choice.profile.supply_columns)
    if supplies and not there.intersection(supplies):
        walks.append(Walk(supplies, expected=_INKS, octets=2 * _LABEL, max_rows=_ONE_MORE))
    return walks


@lru_cache(maxsize=1024)
def _in_tables(choice: Choice) -> tuple[tuple[list[str], list[Where]], ...]:
    """The columns of each way to a meter that is in a table, and which of its rows."""
    ways = choice.profile.counter_rows
    return tuple((way.columns, way.where) for way in ways if way.columns)


@lru_cache(maxsize=1024)
def counted(choice: Choice) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is asked for at the end: columns of which the cells are known, and single instances."""
    ways = choice.profile.counter_rows
    columns = (GENERAL_SERIAL, GENERAL_CONFIG_CHANGES, *(way.column for way in ways if way.column))
    single = [oid for way in ways for oid in way.oids] + choice.profile.supply_oids
    return tuple(dict.fromkeys(columns)), tuple(single)


def every_hr_device(rows: Rows) -> list[Walk]:
    """hrDeviceTable, unless the printing device's row is already there."""
    types = rows.column(HR_DEVICE_TYPE)
    if not types or any(cell.value == PRINTER_TYPE for cell in types.values()):
        return []
    return [_HR_DEVICES]


def one(oid: str) -> Walk:
    """One instance, asked for by what comes before it."""
    column, _, last = oid.rpartition(".")
    return Walk((column,), octets=20, after=_before(int(last)), max_rows=1)


def _alerts(rows: Rows) -> Walk:
    return _table(rows, ALERT_COLUMNS, ALERT_DESCRIPTION, expected=3)


def _table(rows: Rows, columns: tuple[str, ...], text: str, expected: int) -> Walk:
    """All rows, of about the length of the first; of a table that seems empty, whether it is."""
    first = next(iter(rows.column(text).values()), None)
    length = len(first.value) if first and isinstance(first.value, bytes) else 0
    octets = 2 * len(columns) + length + 6
    return Walk(columns, expected if first else 0, octets, max_rows=_ONE_MORE)


def _of_index(rows: Rows) -> list[Walk]:
    """The row of the printing device in tables whose first row is another's."""
    printer_mib = (*MARKER_COLUMNS, *GENERAL_COLUMNS)
    index = next((at.split(".")[0] for at in _instances(rows, printer_mib)), None)
    if index is None:
        return []
    after = _before(int(index))
    return [
        Walk(columns, octets=50, after=after, max_rows=1)
        for columns in (HR_COLUMNS, HR_PRINTER_COLUMNS, GENERAL_COLUMNS)
        if any(at != index for at in _instances(rows, columns))
    ]


def _charset(rows: Rows) -> list[Walk]:
    """prtLocalizationCharacterSet of the localization in use; all, where that is not told."""
    for device in rows.column(GENERAL_LOCALIZATION):
        current = rows.integer(GENERAL_LOCALIZATION, device)
        if current is not None and current > 0:
            return [one(f"{LOCALIZATION_CHARSET}.{device}.{current}")]
    return [Walk((LOCALIZATION_CHARSET,), expected=1, octets=2, max_rows=_ONE_MORE)]


def _after_first(rows: Rows, columns: Sequence[str], expected: int) -> list[Walk]:
    """The rows after the first, where there is one; all, where columns begin unlike."""
    first = list(_instances(rows, columns))
    if not first:
        return []
    if any(at != first[0] for at in first) or len(first) < len(columns):
        return [Walk(tuple(columns), expected + 1, max_rows=_ONE_MORE)]
    octets = 8 * len(columns)
    return [Walk(tuple(columns), expected, octets, _ONE_MORE, after=first[0])]


def _instances(rows: Rows, columns: Iterable[str]) -> Iterable[str]:
    return (at for column in columns for at in rows.column(column))


def _before(arc: int) -> str:
    return str(arc - 1) if arc > 0 else ""
