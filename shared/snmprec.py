"""Recordings of devices as .snmprec files: how they are written, and how they are read.

A line is `OID|tag|value`, the tag being the type's BER tag in decimal; a tag that ends in x has its
value in hex. snmpsim reads them as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.snmp.port import Value, Varbind
from shared.snmp.wire import WireError, encode_varbind

MAX_FILE_BYTES = 64 * 2**20
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

_TAGS = {kind: tag for tag, (kind, _) in _FROM_TEXT.items()}


class RecordingError(Exception):
    """A recording that cannot be read, or a folder without any; the text names file and line."""


def read_snmprec(path: Path) -> dict[str, tuple[str, Value]]:
    """The rows of a recording, OID -> (SMI type, value), in the file's order.

    Empty lines and lines that begin with # are passed over.

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


def snmprec_line(row: Varbind) -> str:
    """A row as a line without its end; text is legible wherever it is printable UTF-8."""
    if isinstance(row.value, bytes):
        text = _printable(row.value)
        tag = _TAGS[row.type]
        return f"{row.oid}|{tag}x|{row.value.hex()}" if text is None else f"{row.oid}|{tag}|{text}"
    return f"{row.oid}|{_TAGS[row.type]}|{'' if row.value is None else row.value}"


def _printable(octets: bytes) -> str | None:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
