"""Is it a printing device? Judged by what it answers; what is not certain is asked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from shared.snmp.port import SnmpSession, Varbind

# RFC 3418, RFC 2790, RFC 3805
SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
SYS_DESCR = "1.3.6.1.2.1.1.1.0"
HR_DEVICE_TYPE = "1.3.6.1.2.1.25.3.2.1.2"
HR_DEVICE_DESCR = "1.3.6.1.2.1.25.3.2.1.3"
HR_DEVICE_PRINTER = "1.3.6.1.2.1.25.3.1.5"
HR_PRINTER_STATUS = "1.3.6.1.2.1.25.3.5.1.1"
PRT_GENERAL_CONFIG_CHANGES = "1.3.6.1.2.1.43.5.1.1.1"
PRT_GENERAL_SERIAL_NUMBER = "1.3.6.1.2.1.43.5.1.1.17"
PRT_MARKER_LIFE_COUNT = "1.3.6.1.2.1.43.10.2.1.4"
PRINTER_MIB = "1.3.6.1.2.1.43"

# One datagram of 108 octets to each address; v1 refuses a whole PDU for one absent instance
FIRST_QUESTION = (
    SYS_OBJECT_ID,
    SYS_DESCR,
    f"{HR_DEVICE_TYPE}.1",
    f"{HR_DEVICE_DESCR}.1",
    f"{PRT_GENERAL_SERIAL_NUMBER}.1",
)
V1_QUESTION = (SYS_OBJECT_ID,)
_ROWS = (HR_PRINTER_STATUS, PRT_GENERAL_CONFIG_CHANGES, PRT_MARKER_LIFE_COUNT)
_DEVICE_COLUMNS = (HR_DEVICE_TYPE, HR_DEVICE_DESCR)
_MOST_ROWS = 20

# net-snmp numbers hrDeviceTable as type * 65536 + n: its row of a printer is a queue of the host
_HOST_INDEX = 65536
_ENTERPRISES = "1.3.6.1.4.1."
_MAKERS_FILE = Path(__file__).with_name("makers.toml")

Kind = Literal["printer", "mixed", "host", "other"]
Verdict = Literal["printing", "not_a_printer", "ask_more"]


class Makers(NamedTuple):
    """The table makers.toml: sysObjectID prefix -> kind, and sysDescr patterns in order."""

    object_ids: Mapping[tuple[str, ...], Kind]
    descriptions: Sequence[tuple[re.Pattern[str], Kind]]

    def kind(self, object_id: str | None) -> Kind:
        """By the longest prefix that is listed; mixed where none is."""
        if object_id and object_id.startswith(_ENTERPRISES):
            arcs = tuple(object_id.removeprefix(_ENTERPRISES).split("."))
            for length in range(len(arcs), 0, -1):
                found = self.object_ids.get(arcs[:length])
                if found:
                    return found
        return "mixed"

    def kind_described(self, description: str) -> Kind:
        for pattern, kind in self.descriptions:
            if pattern.match(description):
                return kind
        return "mixed"


@cache
def load_makers(path: Path = _MAKERS_FILE) -> Makers:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Makers(
        {tuple(entry["prefix"].split(".")): entry["is"] for entry in table["object_ids"]},
        [(re.compile(entry["pattern"], re.IGNORECASE), entry["is"])
         for entry in table["descriptions"]],
    )  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What a device answered that could make it a printing one."""

    object_id: str | None = None
    description: str = ""
    printer_devices: frozenset[int] = frozenset()  # hrDeviceIndex of the rows of type printer
    printer_rows: frozenset[int] = frozenset()  # hrDeviceIndex of rows that only printers have
    marker_rows: frozenset[int] = frozenset()  # hrDeviceIndex of prtMarkerLifeCount
    has_printer_mib: bool = False  # any row at all of it
    model: str = ""  # hrDeviceDescr of the printer's row
    serial: str = ""  # prtGeneralSerialNumber
    asked_system: bool = False  # sysDescr was asked, and not sysObjectID alone
    asked_all: bool = False

    def with_varbinds(self, varbinds: Iterable[Varbind]) -> Evidence:
        """This with the instances of a GET added."""
        said = {varbind.oid: varbind.value for varbind in varbinds}
        object_id = said.get(SYS_OBJECT_ID)
        is_printer = said.get(f"{HR_DEVICE_TYPE}.1") == HR_DEVICE_PRINTER
        serial = text_of(said.get(f"{PRT_GENERAL_SERIAL_NUMBER}.1"))
        return replace(
            self,
            object_id=object_id if isinstance(object_id, str) else self.object_id,
            description=text_of(said.get(SYS_DESCR)) or self.description,
            printer_devices=self.printer_devices | ({1} if is_printer else frozenset()),
            printer_rows=self.printer_rows | ({1} if serial else frozenset()),
            model=text_of(said.get(f"{HR_DEVICE_DESCR}.1")) if is_printer else self.model,
            serial=serial or self.serial,
            asked_system=self.asked_system or SYS_DESCR in said,
        )


def judge(evidence: Evidence, makers: Makers) -> Verdict:
    """A device is a printing one by its maker's own number or name, or by its rows.

    Rows prove it together: in hrDeviceTable a printer that is no host's queue, and under the
    same hrDeviceIndex a printer's status; or any row of the Printer MIB, which nothing else was
    seen to answer. A host needs the printer and its marker both.
    """
    kind = makers.kind(evidence.object_id)
    described = makers.kind_described(evidence.description)
    if kind == "other":
        return "not_a_printer"
    if kind == "printer" or (kind == "mixed" and described == "printer"):
        return "printing"
    if kind == "host" and described == "host":
        return "not_a_printer"
    devices = {index for index in evidence.printer_devices if index < _HOST_INDEX}
    if devices & evidence.marker_rows:
        return "printing"
    may_be_printer = kind == "mixed" and described != "host"
    if may_be_printer and (devices & evidence.printer_rows or evidence.has_printer_mib):
        return "printing"
    return "not_a_printer" if evidence.asked_all else "ask_more"


async def ask_more(evidence: Evidence, session: SnmpSession) -> Evidence:
    """The evidence with all that can be asked: four or five datagrams. Raises: SnmpError."""
    if not evidence.asked_system:
        evidence = evidence.with_varbinds((await session.get(FIRST_QUESTION)).values())
    rows = await session.table(_ROWS, max_rows=_MOST_ROWS)
    anything = await session.table((PRINTER_MIB,), max_rows=1)
    indexes = sorted(frozenset().union(*map(_indexes, rows.values())))[:_MOST_ROWS]
    wanted = [f"{column}.{index}" for index in indexes for column in _DEVICE_COLUMNS]
    devices = await session.get(wanted) if wanted else {}
    printers = [
        index
        for index in indexes
        if (found := devices.get(f"{HR_DEVICE_TYPE}.{index}")) and found.value == HR_DEVICE_PRINTER
    ]
    models = [devices.get(f"{HR_DEVICE_DESCR}.{index}") for index in printers]
    return replace(
        evidence,
        printer_devices=evidence.printer_devices.union(printers),
        printer_rows=evidence.printer_rows.union(*map(_indexes, rows.values())),
        marker_rows=_indexes(rows[PRT_MARKER_LIFE_COUNT]),
        has_printer_mib=bool(anything[PRINTER_MIB]),
        model=evidence.model or next((text_of(one.value) for one in models if one), ""),
        asked_all=True,
    )


def enterprise(object_id: str | None) -> str:
    """Whose number a sysObjectID is: "1347" of 1.3.6.1.4.1.1347.41; "" where it is nobody's."""
    if not object_id or not object_id.startswith(_ENTERPRISES):
        return ""
    return object_id.removeprefix(_ENTERPRISES).partition(".")[0]


def text_of(octets: object, most: int = 200) -> str:
    """Octets as one printable line, at most `most` characters."""
    if not isinstance(octets, bytes):
        return ""
    text = octets.decode("utf-8", errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]


def _indexes(rows: Mapping[str, Varbind]) -> frozenset[int]:
    """The hrDeviceIndex that each instance begins with."""
    return frozenset(int(instance.partition(".")[0]) for instance in rows)
