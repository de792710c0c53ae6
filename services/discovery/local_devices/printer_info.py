"""What the Windows Spooler lists: PRINTER_INFO_2 and PORT_INFO_2 buffers to records; pure.

Over the network (MS-RPRN 2.2.2) a text's offset is from the begin of its own structure; in a
buffer that winspool filled there are pointers instead, as wide as the machine's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from shared.text import clean

MAX_ENTRIES = 1_000
_LONGEST = 1_024  # characters of a text

# places of the fields among the texts and then among the numbers of each structure
_PRINTER_TEXTS = 13  # MS-RPRN 2.2.2.9.3
_PRINTER_NUMBERS = 8
_PRINTER_NAME, _PORT_NAME, _DRIVER_NAME, _COMMENT, _LOCATION = 1, 3, 4, 5, 6
_ATTRIBUTES, _STATUS = 0, 5
_PORT_TEXTS = 3  # MS-RPRN 2.2.2.8.2
_PORT_NUMBERS = 2


class MalformedListError(Exception):
    """A buffer that does not hold what it says."""


class Layout(NamedTuple):
    """How texts are pointed to: `width` octets each, and where the buffer itself is in memory."""

    width: int = 4
    base: int | None = None  # None: offsets from the begin of each structure


WIRE = Layout()


class Printer(NamedTuple):
    """A queue; texts are as the computer says them, cleaned, and None where there are none."""

    name: str
    port_name: str  # several of a printer pool: with commas
    driver: str | None
    comment: str | None
    location: str | None
    attributes: int  # PRINTER_ATTRIBUTE_…, MS-RPRN 2.2.3.12
    status: int  # PRINTER_STATUS_…, in the same section


class PortOfSpooler(NamedTuple):
    name: str
    monitor: str | None
    description: str | None


def printers_of(buffer: bytes, count: int, layout: Layout = WIRE) -> list[Printer]:
    """Raises: MalformedListError, and nothing else whatever the octets are."""
    printers = []
    for texts, numbers in _entries(buffer, count, _PRINTER_TEXTS, _PRINTER_NUMBERS, layout):
        name, port = texts(_PRINTER_NAME), texts(_PORT_NAME)
        if name is None:
            continue
        printers.append(
            Printer(
                name=_without_server(name),
                port_name=port or "",
                driver=texts(_DRIVER_NAME),
                comment=texts(_COMMENT),
                location=texts(_LOCATION),
                attributes=numbers[_ATTRIBUTES],
                status=numbers[_STATUS],
            )
        )
    return printers


def ports_of(buffer: bytes, count: int, layout: Layout = WIRE) -> list[PortOfSpooler]:
    """Raises: MalformedListError, and nothing else whatever the octets are."""
    return [
        PortOfSpooler(texts(0) or "", texts(1), texts(2))
        for texts, _ in _entries(buffer, count, _PORT_TEXTS, _PORT_NUMBERS, layout)
    ]


class _Texts(NamedTuple):
    """Those of one structure, by their places in it."""

    buffer: bytes
    begin: int
    layout: Layout

    def __call__(self, place: int) -> str | None:
        width, base = self.layout
        at = self.begin + place * width
        pointer = int.from_bytes(self.buffer[at : at + width], "little")
        if not pointer:
            return None
        offset = self.begin + pointer if base is None else pointer - base
        return _text(self.buffer, offset)


def _entries(
    buffer: bytes, count: int, texts: int, numbers: int, layout: Layout
) -> Iterator[tuple[_Texts, tuple[int, ...]]]:
    size = texts * layout.width + numbers * 4
    if not 0 <= count <= MAX_ENTRIES or count * size > len(buffer):
        raise MalformedListError(f"{len(buffer)} octets are no list of {count} of {size} each")
    for begin in range(0, count * size, size):
        yield (
            _Texts(buffer, begin, layout),
            struct.unpack_from(f"<{numbers}I", buffer, begin + texts * layout.width),
        )


def _text(buffer: bytes, offset: int) -> str | None:
    """UTF-16 up to its NUL, at most _LONGEST characters of it."""
    if not 0 <= offset <= len(buffer) - 2:
        raise MalformedListError(f"a text at {offset}, and {len(buffer)} octets in all")
    octets = buffer[offset : offset + 2 * _LONGEST]
    return clean(octets.decode("utf-16-le", errors="replace").partition("\0")[0], _LONGEST)


def _without_server(name: str) -> str:
    r"""hall of \\PRINTPC\hall."""
    return name[2:].partition("\\")[2] or name if name.startswith("\\\\") else name
