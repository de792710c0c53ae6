"""Which rows of a device are about its owner, by their place; pure.

Sources: RFC 3418, RFC 2863, RFC 2790, RFC 3805, RFC 6933, PWG 5107.1 and 2707; the makers' rows are
those of the profiles' identities, and of the MIBs that are named beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from services.poller.mib import IF_PHYS_ADDRESS, SYS_DESCR
from services.poller.profile import Profile
from services.poller.profile_rows import IdentityField
from shared.snmp.oids import order

SERIAL, NAME, MAC, IP, URL = "serial number", "name", "MAC address", "IP address", "URL"
EMAIL, UUID, PHONE, COMMUNITY = "e-mail address", "UUID", "telephone number", "SNMP word"

MIB_2 = "1.3.6.1.2.1"
MAKERS = "1.3.6.1.4.1"
_LAST = 2**31 - 1  # an arc that no object has, and that agents with signed arcs take


class Stretch(NamedTuple):
    """A run of OIDs that is neither asked for nor written, from one subtree to another's end."""

    first: str
    last: str
    holds: str

    @property
    def end(self) -> str:
        return f"{self.last}.{_LAST}"


LEFT_OUT = (
    Stretch(f"{MIB_2}.3", f"{MIB_2}.24", "addresses, routes and connections"),
    Stretch(f"{MIB_2}.25.4", f"{MIB_2}.42", "what runs there"),
    Stretch(f"{MIB_2}.44", f"{MIB_2}.46", "addresses, routes and connections"),
    Stretch(f"{MIB_2}.48", f"{MIB_2}.{_LAST}", "addresses, routes and connections"),
    Stretch(f"{MAKERS}.11.2.3.9.4.2.1.1.6.5", f"{MAKERS}.11.2.3.9.4.2.1.1.6.5", "HP's jobs"),
    Stretch(f"{MAKERS}.367.3.2.1.3.2", f"{MAKERS}.367.3.2.1.3.2", "Ricoh's jobs"),
    Stretch(f"{MAKERS}.1347.47", f"{MAKERS}.1347.47", "Kyocera's jobs"),
    Stretch(f"{MAKERS}.2021", f"{MAKERS}.2021", "net-snmp's processes"),
    Stretch(f"{MAKERS}.2699.1.1", f"{MAKERS}.2699.1.1", "jobs and their owners"),
    Stretch(f"{MAKERS}.8072", f"{MAKERS}.8072", "net-snmp itself"),
    Stretch("1.3.6.1.6", "1.3.6.1.6", "SNMP's users and communities"),
)
_LEFT_OUT = [(order(each.first), order(each.last), each) for each in LEFT_OUT]

_STANDARD = {
    f"{MIB_2}.1.4": NAME,  # sysContact
    f"{MIB_2}.1.5": NAME,  # sysName
    f"{MIB_2}.1.6": NAME,  # sysLocation
    IF_PHYS_ADDRESS: MAC,
    f"{MIB_2}.25.1.4": NAME,  # hrSystemInitialLoadParameters
    f"{MIB_2}.25.3.8.1.3": NAME,  # hrFSRemoteMountPoint
    f"{MIB_2}.43.5.1.1.4": NAME,  # prtGeneralCurrentOperator
    f"{MIB_2}.43.5.1.1.5": NAME,  # prtGeneralServicePerson
    f"{MIB_2}.43.5.1.1.16": NAME,  # prtGeneralPrinterName
    f"{MIB_2}.43.5.1.1.17": SERIAL,  # prtGeneralSerialNumber
    f"{MIB_2}.43.8.2.1.17": SERIAL,  # prtInputSerialNumber
    f"{MIB_2}.43.9.2.1.11": SERIAL,  # prtOutputSerialNumber
    f"{MIB_2}.43.14.1.1.9": NAME,  # prtChannelInformation: hosts and queues
    f"{MIB_2}.47.1.1.1.1.11": SERIAL,  # entPhysicalSerialNum
    f"{MIB_2}.47.1.1.1.1.14": NAME,  # entPhysicalAlias
    f"{MIB_2}.47.1.1.1.1.15": NAME,  # entPhysicalAssetID
    f"{MAKERS}.11.2.3.9.4.2.1.1.3.10": NAME,  # HP's device name, location and asset number
    f"{MAKERS}.11.2.3.9.4.2.1.1.3.11": NAME,
    f"{MAKERS}.11.2.3.9.4.2.1.1.3.12": NAME,
    f"{MAKERS}.641.6.4.4.1.1.6": SERIAL,  # LEXMARK-MPS-MIB, of current and former supplies
    f"{MAKERS}.641.6.4.4.2.1.6": SERIAL,
    f"{MAKERS}.2699.1.2.1.2.1.1.2": NAME,  # PWG PPM: ppmPrinterName
    f"{MAKERS}.2699.1.2.1.2.1.1.7": COMMUNITY,  # ppmPrinterSnmpCommunityName
}
_OID = re.compile(r'"(1\.3\.6[0-9.]+)"')
_OF_FIELD: Mapping[IdentityField, str] = {
    "serial": SERIAL,
    "hostname": NAME,
    "asset_tag": NAME,
    "location": NAME,
}


def left_out(oid: str) -> Stretch | None:
    place = order(oid)
    for first, last, stretch in _LEFT_OUT:
        if first <= place and place[: len(last)] <= last:
            return stretch
    return None


class PrivateRows:
    """What the standard and the profiles say of a row's place."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self.makes: list[str] = []
        self._named: set[str] = set()
        self._kinds = dict(_STANDARD)
        self._within: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for profile in profiles:
            for field, kind in _OF_FIELD.items():
                for row in profile.identity.get(field, []):
                    place = row.oid or row.column or ""
                    if row.pattern:
                        self._within.setdefault(place, []).append((kind, row.pattern))
                    else:
                        self._kinds.setdefault(place, kind)
            self.makes += profile.makes
            self.makes += [match.make for match in profile.match if match.make]
            for pattern in (each for match in profile.match for each in match.sys_descr):
                if "serial" in pattern.groupindex:
                    self._within.setdefault(SYS_DESCR, []).append((SERIAL, pattern))

            rows = profile.model_dump_json(exclude={"match", "computers"})
            self._named.update(_OID.findall(rows))

    def is_named(self, oid: str) -> bool:
        """Whether it is a known object's, in whose OID there is no address."""
        return oid.startswith(f"{MIB_2}.") or any(at in self._named for at in _upwards(oid))

    def kind(self, oid: str) -> str | None:
        """What the whole value is; None where its place says nothing of it."""
        return next((self._kinds[at] for at in _upwards(oid) if at in self._kinds), None)

    def within(self, oid: str, text: str) -> Iterator[tuple[str, str]]:
        """Kind and text of what a profile finds inside the value."""
        for at in _upwards(oid):
            for kind, pattern in self._within.get(at, ()):
                said = pattern.search(text)
                group = "serial" if "serial" in pattern.groupindex else 1
                if said and said.group(group):
                    yield kind, said.group(group)


def _upwards(oid: str) -> Iterator[str]:
    while oid:
        yield oid
        oid = oid.rpartition(".")[0]
