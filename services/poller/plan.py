"""What a poller remembers of a device: which rows it has, and never what they held.

So a device that was read before is asked for all of them in one or two datagrams. What tells that
it is still that device is remembered as well, to be compared with what it says now. Counters that
a device did not have are asked for as well where there is room for them, and all of them when it
is next read in full: a day later at the latest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from services.poller.identity import mac_interface, printer_index
from services.poller.kinds import Kinds
from services.poller.mib import (
    ALERT_COLUMNS,
    COLORANT_VALUE,
    CONSOLE_TEXT,
    GENERAL_COLUMNS,
    GENERAL_CONFIG_CHANGES,
    GENERAL_SERIAL,
    HR_COLUMNS,
    HR_PRINTER_COLUMNS,
    IF_COLUMNS,
    IF_PHYS_ADDRESS,
    LOCALIZATION_CHARSET,
    MARKER_COLUMNS,
    SUPPLY_COLUMNS,
    SYS_NAME,
    SYS_OBJECT_ID,
    SYS_UP_TIME,
)
from services.poller.profile import Profile
from services.poller.profile_rows import MeterRow
from services.poller.recognise import Choice
from services.poller.rows import Places, Rows, integer
from services.poller.text import serial_or_none
from shared.messages import DeviceIdentity
from shared.snmp.port import Manners, Varbind, Walk
from shared.snmp.wire import V1, encode_oid

MAX_PLANS = 20_000
LASTS = timedelta(days=1)
AWAKE = 10 * 60 * 100  # sysUpTime; a device that has just started may not have all its rows yet
_MAX_LAYOUTS = 2_000
_HEAD = 48  # octets of a message beside its varbinds
_WATCHED = 60  # octets of what a session asks with each question

Place = tuple[str, int, str]  # address, port and credential


class Layout(NamedTuple):
    """The questions to a device; many devices of a model share one.

    Args:
        gets: instances, a datagram each; what tells the device and all counters in the first.
        octets: of the varbinds that answer each of them, about.
        places: which of them belong to a table.
        needed: those that the device had.
        walks: tables.
        profile: the device's; kept, so that no other has its id.
        asked: the same, without ways to meters by rows that are not asked for.
    """

    gets: tuple[tuple[str, ...], ...]
    octets: tuple[int, ...]
    places: Places
    needed: frozenset[str]
    walks: tuple[Walk, ...]
    profile: Profile
    asked: Profile


@dataclass
class Plan:
    """How to ask a device that was read before, and what it was."""

    layout: Layout
    manners: Manners
    profile: str
    device: DeviceIdentity
    config_changes: int | None  # prtGeneralConfigChanges
    uptime: int | None  # sysUpTime, in 1/100 s
    made_at: datetime

    def lasts(self, at: datetime) -> bool:
        return self.made_at <= at < self.made_at + LASTS

    def had_more(self, layout: Layout, at: datetime) -> bool:
        return self.lasts(at) and self.layout.needed > layout.needed

    def is_of(self, rows: Rows, choice: Choice, device: DeviceIdentity) -> bool:
        """Whether `rows` are of that device, with that configuration and not restarted."""
        uptime = ticks(rows)
        return (
            choice.profile.label == self.profile
            and _told_by(device) == _told_by(self.device)
            and _config_changes(rows) == self.config_changes
            and (self.uptime is None or (uptime is not None and uptime >= self.uptime))
        )


class Plans:
    """The plans of the devices that were read last, MAX_PLANS at most, and their kinds."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self._plans: OrderedDict[Place, Plan] = OrderedDict()

    def get(self, place: Place) -> Plan | None:
        return self._plans.get(place)

    def keep(self, place: Place, plan: Plan | None) -> None:
        """None forgets."""
        if plan is not None and self._plans.get(place) is plan:
            self._plans.move_to_end(place)
            return
        self._plans.pop(place, None)
        if plan is None:
            return
        self._plans[place] = plan
        if len(self._plans) > MAX_PLANS:
            self._plans.popitem(last=False)


def next_plan(
    before: Plan | None,
    rows: Rows,
    choice: Choice,
    device: DeviceIdentity,
    manners: Manners,
    at: datetime,
    octets: int,
) -> Plan | None:
    """How to ask next time for all of `rows`, which were read in full, in `octets` of answers.

    None where more rows may still come, and of a device that must be walked each time. Where the
    same device has had more of them before, as one has that is not asleep, the plan of `before`
    stays.
    """
    uptime, quirks = ticks(rows), choice.profile.quirks
    if (uptime is not None and uptime < AWAKE) or (quirks and quirks.stale):
        return None
    layout = _layout(rows, choice, manners, octets)
    if before and before.had_more(layout, at) and before.is_of(rows, choice, device):
        return before
    changes = _config_changes(rows)
    return Plan(layout, replace(manners), choice.profile.label, device, changes, uptime, at)


def _layout(rows: Rows, choice: Choice, manners: Manners, octets: int) -> Layout:
    shape = _shape(rows, choice, manners, octets)
    layout = _layouts.get(shape)
    if layout is None:
        if len(_layouts) >= _MAX_LAYOUTS:
            _layouts.clear()
        layout = _layouts[shape] = _layout_of(rows, choice, manners)
    return layout


_layouts: dict[tuple[object, ...], Layout] = {}  # by shape


def _shape(rows: Rows, choice: Choice, manners: Manners, octets: int) -> tuple[object, ...]:
    """All that a layout depends on: which rows there are, and about how long they are."""
    interface = mac_interface(rows)
    return (
        id(choice.profile),
        manners.version,
        manners.max_varbinds,
        manners.max_message,
        printer_index(rows),
        interface.instance if interface else None,
        tuple(rows.charset_in_use),
        tuple(rows.scalars),
        tuple([(column, *cells) for column, cells in rows.columns.items()]),
        octets // 8,
    )


def _layout_of(rows: Rows, choice: Choice, manners: Manners) -> Layout:
    singles = dict.fromkeys([*_told_and_counted(rows, choice), *_besides(rows, choice)])
    gets = _datagrams(singles, manners)
    alerts = [walk._replace(may_change=True) for walk in _tables(rows, ALERT_COLUMNS)]
    walks = [
        *_ends(rows, choice),
        *_tables(rows, SUPPLY_COLUMNS),
        *_tables(rows, (COLORANT_VALUE,)),
        *alerts,
    ]
    walks = list(_lightened(walks, gets[-1], rows, manners))
    cells = [one for datagram in gets for one in datagram if one.column]
    needed = frozenset(one.oid for datagram in gets for one in datagram)
    if manners.version != V1:  # which refuses a whole question for one absent instance
        gets[0] += _absent_beside(gets[0], rows, choice, manners)
    return Layout(
        gets=tuple(tuple(one.oid for one in datagram) for datagram in gets),
        octets=tuple(sum(one.octets for one in datagram) for datagram in gets),
        places=Places.of((one.oid, one.column, one.at) for one in cells),
        needed=needed,
        walks=tuple(walks),
        profile=choice.profile,
        asked=_asked_for(choice.profile, {one.oid for one in chain(*gets)}, rows),
    )


def _asked_for(profile: Profile, oids: Container[str], rows: Rows) -> Profile:
    def is_asked(way: MeterRow) -> bool:
        if way.column:
            return bool(rows.column(way.column))
        return (any if way.where_present else all)(oid in oids for oid in way.oids)

    def asked(meters: Mapping[str, list[MeterRow]]) -> dict[str, list[MeterRow]]:
        ways = {name: list(filter(is_asked, ways)) for name, ways in meters.items()}
        return {name: there for name, there in ways.items() if there}

    return profile.model_copy(
        update={"meters": asked(profile.meters), "native": asked(profile.native)}
    )


def _told_by(device: DeviceIdentity) -> tuple[str | None, ...]:
    """What tells one device from another."""
    return (device.make, device.model, device.serial, device.mac, device.sys_object_id)


def telling(rows: Rows) -> list[Varbind]:
    """What tells this device from others of its kind: its serial number, else MAC, else name."""
    serials = list(rows.column(GENERAL_SERIAL).values())[:1]
    if serials and serial_or_none(rows.as_text(serials[0]), None, None):
        return serials
    interface, name = mac_interface(rows), rows.one(SYS_NAME)
    if interface is not None:
        return [*serials, rows.column(IF_PHYS_ADDRESS)[interface.instance]]
    return serials if name is None else [*serials, name]


def _config_changes(rows: Rows) -> int | None:
    return next(map(integer, rows.column(GENERAL_CONFIG_CHANGES).values()), None)


def ticks(rows: Rows) -> int | None:
    varbind = rows.one(SYS_UP_TIME)
    return varbind.value if varbind and isinstance(varbind.value, int) else None


class _Single(NamedTuple):
    """One instance, of a table where `column` says so; `octets` its varbind takes, about."""

    oid: str
    column: str
    at: str
    octets: int


def _told_and_counted(rows: Rows, choice: Choice) -> Iterator[_Single]:
    """What tells the device, and all that counts: in one datagram wherever it fits."""
    ways = choice.profile.counter_rows
    yield from _instances(rows, (SYS_UP_TIME, SYS_OBJECT_ID))
    yield from _cells(rows, (GENERAL_SERIAL, GENERAL_CONFIG_CHANGES))
    if (interface := mac_interface(rows)) is not None:
        yield from _cells(rows, IF_COLUMNS, [interface.instance])
    yield from _cells(rows, dict.fromkeys(column for way in ways for column in way.columns))
    yield from _instances(rows, (oid for way in ways for oid in way.oids))


def _besides(rows: Rows, choice: Choice) -> Iterator[_Single]:
    """All else that is no table of supplies or alerts in the standard MIB."""
    index = printer_index(rows)
    printer = [index] if index else []
    yield from _cells(rows, (*MARKER_COLUMNS, *GENERAL_COLUMNS))
    yield from _cells(rows, (*HR_COLUMNS, *HR_PRINTER_COLUMNS), printer)
    yield from _cells(rows, (LOCALIZATION_CHARSET,), rows.charset_in_use)
    yield from _cells(rows, (CONSOLE_TEXT,))
    yield from _cells(rows, choice.profile.supply_columns)
    yield from _instances(rows, rows.scalars)


def _absent_beside(
    asked: Sequence[_Single], rows: Rows, choice: Choice, manners: Manners
) -> list[_Single]:
    """Counters that the device did not have, as many as still fit into that datagram."""
    oids = dict.fromkeys(oid for way in choice.profile.counter_rows for oid in way.oids)
    absent: list[_Single] = []
    for oid in oids:
        one = _Single(oid, "", "", len(encode_oid(oid)) + 11)
        if rows.one(oid) is None and _fits([*asked, *absent, one], manners):
            absent.append(one)
    return absent


def _instances(rows: Rows, oids: Iterable[str]) -> Iterator[_Single]:
    for oid in oids:
        if (varbind := rows.one(oid)) is not None:
            yield _Single(oid, "", "", _varbind_octets(varbind))


def _cells(
    rows: Rows, columns: Iterable[str], instances: Sequence[str] | None = None
) -> Iterator[_Single]:
    for column in columns:
        for at, cell in rows.column(column).items():
            if instances is None or at in instances:
                yield _Single(cell.oid, column, at, _varbind_octets(cell))


def _varbind_octets(varbind: Varbind) -> int:
    return len(encode_oid(varbind.oid)) + 6 + _value_octets(varbind)


def _value_octets(varbind: Varbind) -> int:
    value = varbind.value
    if isinstance(value, int):
        return value.bit_length() // 8 + 1
    if isinstance(value, str):
        return len(value) // 2
    return len(value or b"")


def _datagrams(singles: Iterable[_Single], manners: Manners) -> list[list[_Single]]:
    datagrams: list[list[_Single]] = [[]]
    for one in singles:
        if not _fits([*datagrams[-1], one], manners):
            datagrams.append([])
        datagrams[-1].append(one)
    return datagrams


def _room(manners: Manners) -> int:
    """Octets of what is asked for; what is watched is counted where a longest message is set."""
    return manners.message_octets - (_HEAD if manners.max_message is None else _HEAD + _WATCHED)


def _fits(singles: Sequence[_Single], manners: Manners) -> bool:
    octets = sum(one.octets for one in singles)
    return len(singles) <= manners.max_varbinds and octets <= _room(manners)


def _tables(rows: Rows, columns: Sequence[str]) -> list[Walk]:
    """A table as it was: columns with the same rows together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        groups.setdefault(tuple(rows.column(column)), []).append(column)
    return [
        Walk(tuple(alike), octets=_row_octets(rows, alike), instances=instances)
        for instances, alike in groups.items()
    ]


def _ends(rows: Rows, choice: Choice) -> Iterator[Walk]:
    """That no row has come after those that count; they themselves are asked with the others."""
    for column in dict.fromkeys(way.column for way in choice.profile.counter_rows if way.column):
        last = next(reversed(list(rows.column(column))), "")
        yield Walk((column,), after=last, instances=())


def _row_octets(rows: Rows, columns: Sequence[str]) -> int:
    """Of the values of a row, about."""
    values = [[_value_octets(cell) for cell in rows.column(column).values()] for column in columns]
    return sum(sum(column) // max(1, len(column)) + 1 for column in values)


def _lightened(
    walks: Sequence[Walk], datagram: list[_Single], rows: Rows, manners: Manners
) -> Iterator[Walk]:
    """`walks` in one answer, where some of their columns fit into `datagram` instead."""
    over = sum(map(_walk_octets, walks)) + _WATCHED - manners.message_octets + _HEAD
    for walk in walks:
        kept = list(walk.columns)
        for column in walk.columns[1:] if walk.instances and not walk.may_change else ():
            cells = list(_cells(rows, [column]))
            if over > 0 and _fits([*datagram, *cells], manners):
                datagram += cells
                kept.remove(column)
                over -= sum(one.octets for one in cells)
        yield walk._replace(columns=tuple(kept), octets=_row_octets(rows, kept))


def _walk_octets(walk: Walk) -> int:
    oids = sum(len(encode_oid(column)) + 8 for column in walk.columns)
    end = len(encode_oid(walk.columns[0])) + 16
    return len(walk.instances or ()) * (oids + walk.octets) + end
