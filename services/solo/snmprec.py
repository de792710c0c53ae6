"""Recordings of devices as .snmprec files, and answering as the recorded devices."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from services.solo.simulator import SimulatedAgent, simulate
from shared.snmp.port import Value, Varbind
from shared.snmp.wire import WireError, encode_varbind

MAX_FILE_BYTES = 64 * 2**20
_MAX_DEVICES = 2000  # each takes a socket
_LINE = re.compile(r"(?P<oid>[0-9.]+)\|(?P<tag>[0-9]+)(?P<hex>x?)\|(?P<value>.*)", re.DOTALL)

_FROM_TEXT: Mapping[str, tuple[str, Callable[[str], Value]]] = {
    "2": ("Integer32", int),
    "4": ("OctetString", str.encode),
    "5": ("Null", lambda _: None),
    "6": ("ObjectIdentifier", lambda text: text.removeprefix(".")),
    "64": ("IpAddress", str),
    "65": ("Counter32", int),
    "66": ("Gauge32", int),
    "67": ("TimeTicks", int),
    "68": ("Opaque", str.encode),
    "70": ("Counter64", int),
}
_FROM_HEX: Mapping[str, tuple[str, Callable[[str], Value]]] = {
    "4": ("OctetString", bytes.fromhex),
    "64": ("IpAddress", lambda text: ".".join(map(str, bytes.fromhex(text)))),
    "68": ("Opaque", bytes.fromhex),
}


class RecordingError(Exception):
    """A recording that cannot be read, or a folder without any; the text names file and line."""


def read_snmprec(path: Path) -> dict[str, tuple[str, Value]]:
    """The rows of a recording, OID -> (SMI type, value), in the file's order.

    A line is `OID|tag|value`, the tag being the type's BER tag in decimal; a tag that ends in x
    has its value in hex. Empty lines and lines that begin with # are passed over.

    Raises: RecordingError.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RecordingError(f"{path}: over {MAX_FILE_BYTES} octets, too much for a recording")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    rows: dict[str, tuple[str, Value]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            row = _row(line.rstrip(b"\r").decode())
        except (ValueError, WireError) as error:
            raise RecordingError(f"{path}, line {number}: {error}") from None
        if row.oid in rows:
            raise RecordingError(f"{path}, line {number}: {row.oid} stands there twice")
        rows[row.oid] = (row.type, row.value)
    return rows


def _row(line: str) -> Varbind:
    """Raises: ValueError, WireError."""
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise ValueError(f"{line[:60]!r} is not OID|tag|value with a plain tag")
    kinds = _FROM_HEX if parts["hex"] else _FROM_TEXT
    if parts["tag"] not in kinds:
        raise ValueError(f"no value has the tag {parts['tag']}{parts['hex']}")
    kind, value = kinds[parts["tag"]]
    row = Varbind(parts["oid"].removeprefix("."), kind, value(parts["value"]))
    encode_varbind(row)  # what cannot be sent is told now, with its line
    return row


@asynccontextmanager
async def serve_recordings(
    folder: Path, first_address: str = "127.30.0.1", port: int = 16_100
) -> AsyncIterator[Mapping[str, Path]]:
    """Answers as each recorded device in `folder` while the block runs, community "public".

    Gives address -> file: one loopback address a file, in the order of the files' names.

    Raises: RecordingError; ValueError, OSError as `simulate`.
    """
    served = _addressed(folder, first_address)
    agents = {
        (address, port): SimulatedAgent(read_snmprec(file)) for address, file in served.items()
    }
    async with simulate(agents):
        yield served


def _addressed(folder: Path, first_address: str) -> Mapping[str, Path]:
    files = sorted(folder.glob("*.snmprec"))
    if not files:
        raise RecordingError(f"{folder}: no file there is called *.snmprec")
    if len(files) > _MAX_DEVICES:
        raise RecordingError(f"{folder}: {len(files)} recordings; at most {_MAX_DEVICES} at once")
    first = ip_address(first_address)
    return {str(first + number): file for number, file in enumerate(files)}
