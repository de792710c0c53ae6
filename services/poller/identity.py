"""Which device it is, and whether it prints at all; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from services.poller.mib import (
    ETHERNET,
    GENERAL_COLUMNS,
    HR_DEVICE_TYPE,
    IF_PHYS_ADDRESS,
    IF_TYPE,
    MARKER_COLUMNS,
    PRINTER_MIB_COLUMNS,
    PRINTER_TYPE,
    SUPPLY_COLUMNS,
    SYS_DESCR,
    SYS_OBJECT_ID,
    WIRELESS,
)
from services.poller.profile_rows import IdentityRow
from services.poller.recognise import Choice, Profiles, is_below
from services.poller.rows import Rows, as_text
from services.poller.text import mac_or_none, serial_or_none
from shared.messages import DeviceIdentity
from shared.snmp.port import Varbind
from shared.text import clean

_OF_PRINTER = (*MARKER_COLUMNS, *GENERAL_COLUMNS, *SUPPLY_COLUMNS)
_LONGEST = 1024  # sysDescr and IEEE 1284 IDs run beyond 255


def prints(rows: Rows, choice: Choice) -> bool:
    """Whether something that only a printing device says has come.

    A printer in hrDeviceTable alone is not enough where it may be a computer's print queue: the
    agent is a computer's, or numbers its devices as net-snmp's does, type * 256 or * 65536.
    """
    if choice.recognised or any(rows.column(column) for column in PRINTER_MIB_COLUMNS):
        return True
    sys_object_id = text_of(rows, SYS_OBJECT_ID) or ""
    if any(is_below(sys_object_id, each.sys_object_id) for each in choice.profile.computers):
        return False
    return any(not _numbered_by_net_snmp(index) for index in _printer_devices(rows))


def printer_index(rows: Rows) -> str | None:
    """The hrDeviceIndex of the printing device, which need not be 1."""
    printers = _printer_devices(rows)
    for index in printers:
        if _is_in_printer_mib(rows, index):
            return index
    if printers:
        return printers[0]
    cells = (at for column in _OF_PRINTER for at in rows.column(column))
    return next(cells, "").partition(".")[0] or None


def _is_in_printer_mib(rows: Rows, index: str) -> bool:
    for column in _OF_PRINTER:
        for at in rows.column(column):
            if at.partition(".")[0] == index:
                return True
    return False


def text_of(rows: Rows, oid: str) -> str | None:
    return rows.as_text(rows.one(oid), _LONGEST)


def choose_profile(rows: Rows, profiles: Profiles) -> Choice:
    """The profile by what has come so far: the system group, makers' own rows."""
    said = text_of(rows, SYS_OBJECT_ID), text_of(rows, SYS_DESCR)
    choice = profiles.choose(*said)
    if choice.recognised:
        return choice
    present = tuple(
        oid
        for oid in profiles.tell_tale_rows
        if oid in rows.scalars and (text_of(rows, oid) or _number(rows, oid))
    )
    return profiles.choose(*said, present)


def identity(
    rows: Rows, choice: Choice, profiles: Profiles, address: str | None, index: str | None
) -> tuple[DeviceIdentity, list[Varbind]]:
    """The device, and the varbinds that told make, model, serial and firmware.

    `index` is the printing device's in hrDeviceTable.
    """
    interface = mac_interface(rows)
    told = _Told(
        choice=choice,
        profiles=profiles,
        address=address,
        mac=interface.mac if interface else None,
        sys_object_id=text_of(rows, SYS_OBJECT_ID),
        charset=rows.charset,
        varbinds=_told_in(rows, choice, index),
    )
    device, used = _identity(told)
    return device, list(used)


class _Told(NamedTuple):
    """All that an identity is made of; `varbinds` as _told_in has them."""

    choice: Choice
    profiles: Profiles
    address: str | None
    mac: str | None
    sys_object_id: str | None
    charset: int | None
    varbinds: tuple[Varbind | None, ...]


@lru_cache(maxsize=2048)  # a device says the same of itself at every read
def _identity(told: _Told) -> tuple[DeviceIdentity, tuple[Varbind, ...]]:
    choice, profiles, mac = told.choice, told.profiles, told.mac
    finder = _Finder(choice, told.varbinds, told.charset)
    said_model = clean(choice.said.get("model") or "") if choice.said else None
    model = finder.first("model") or said_model
    make = choice.make
    if make is None:
        said = finder.first("make")
        description = finder.first("description")
        make = profiles.make_in(said) or said or profiles.make_in(model or description)
    model = without_make(model, make)
    serial = finder.first("serial", lambda text: serial_or_none(text, model, mac))
    if serial is None and choice.said:
        serial = serial_or_none(clean(choice.said.get("serial") or ""), model, mac)
    firmware = finder.first("firmware")
    used = tuple(finder.used)
    device = DeviceIdentity(
        make=make,
        model=model,
        serial=serial,
        mac=mac,
        hostname=finder.first("hostname"),
        address=told.address,
        asset_tag=finder.first("asset_tag"),
        location=finder.first("location"),
        firmware=firmware,
        sys_object_id=told.sys_object_id,
        description=finder.first("description"),
    )
    return device, used


class Interface(NamedTuple):
    """A row of ifTable that has a MAC; `kind` is its ifType."""

    instance: str
    kind: int | None
    mac: str


def mac_interface(rows: Rows) -> Interface | None:
    """The first Ethernet interface that has a MAC; else wireless, else of unknown kind."""
    found: dict[int | None, Interface] = {}
    for instance, varbind in rows.column(IF_PHYS_ADDRESS).items():
        mac = mac_or_none(varbind.value) if isinstance(varbind.value, bytes) else None
        if mac:
            kind = rows.integer(IF_TYPE, instance)
            found.setdefault(kind, Interface(instance, kind, mac))
    return next((found[kind] for kind in (ETHERNET, WIRELESS, None) if kind in found), None)


def identity_oids(rows: Rows, choice: Choice) -> list[str]:
    """The single instances still to be asked: those before the first walked cell that tells."""
    told = _by_field(choice, _told_in(rows, choice, printer_index(rows)))
    wanted: list[str] = []
    for name, places in told.items():
        if name == "make" and choice.make:
            continue
        for place, varbind in places:
            if place.column and _text(place, varbind, rows.charset):
                break
            if place.oid:
                wanted.append(place.oid)
    return [oid for oid in dict.fromkeys(wanted) if rows.one(oid) is None]


def _told_in(rows: Rows, choice: Choice, index: str | None) -> tuple[Varbind | None, ...]:
    """What came from each place of the identity fields, in the profile's order."""
    one = rows.scalars.get
    return tuple(
        [one(oid) if oid else _in_row(rows, column, index) for oid, column in _places(choice)]
    )


@lru_cache(maxsize=4096)
def _places(choice: Choice) -> tuple[tuple[str | None, str], ...]:
    """OID, or column, of each."""
    fields = choice.profile.identity.values()
    return tuple((place.oid, place.column or "") for places in fields for place in places)


def _by_field(
    choice: Choice, told: Iterable[Varbind | None]
) -> dict[str, list[tuple[IdentityRow, Varbind | None]]]:
    """The places of each field, with what came from them."""
    left = iter(told)
    fields = choice.profile.identity.items()
    return {name: [(place, next(left)) for place in places] for name, places in fields}


def _in_row(rows: Rows, column: str, index: str | None) -> Varbind | None:
    cells = rows.column(column)
    if index is not None and index in cells:
        return cells[index]
    return next(iter(cells.values())) if len(cells) == 1 else None


def _text(place: IdentityRow, varbind: Varbind | None, charset: int | None) -> str | None:
    text = as_text(varbind, charset, _LONGEST)
    if text and place.pattern:
        said = place.pattern.search(text)
        return clean(said.group(1) or "") if said else None
    return text


class _Finder:
    """Looks at the places of an identity field in their order."""

    def __init__(self, choice: Choice, told: Iterable[Varbind | None], charset: int | None) -> None:
        self._told = _by_field(choice, told)
        self._charset = charset
        self.used: list[Varbind] = []

    def first(
        self, name: str, accept: Callable[[str], str | None] = lambda text: text
    ) -> str | None:
        for place, varbind in self._told.get(name, ()):
            text = _text(place, varbind, self._charset)
            told = accept(text) if text else None
            if told:
                if varbind is not None:
                    self.used.append(varbind)
                return told
        return None


def _printer_devices(rows: Rows) -> list[str]:
    types = rows.column(HR_DEVICE_TYPE)
    return [index for index, varbind in types.items() if varbind.value == PRINTER_TYPE]


def _numbered_by_net_snmp(index: str) -> bool:
    printer = 5  # the last arc of hrDevicePrinter
    number = int(index) if index.isdecimal() else 0
    return printer in {number >> 8, number >> 16}


def _number(rows: Rows, oid: str) -> bool:
    varbind = rows.one(oid)
    return varbind is not None and isinstance(varbind.value, int)


def without_make(model: str | None, make: str | None) -> str | None:
    if model and make and model.lower().startswith(make.lower() + " "):
        return model[len(make) :].strip() or model
    return model
