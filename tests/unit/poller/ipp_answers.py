"""IPP answers as octets, built from (tag, value) by the letter of RFC 8010."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

INTEGER, ENUM, OCTETS, TEXT, NAME, KEYWORD, URI = 0x21, 0x23, 0x30, 0x41, 0x42, 0x44, 0x45
UNKNOWN, NO_VALUE = (0x12, b""), (0x13, b"")
Tagged = tuple[int, Any]  # a tag, and its octets, or for a collection (0x34) its members


def integer(number: int) -> Tagged:
    return INTEGER, struct.pack(">i", number)


def enum(number: int) -> Tagged:
    return ENUM, struct.pack(">i", number)


def text(words: str) -> Tagged:
    return TEXT, words.encode()


def keywords(*words: str) -> list[Tagged]:
    return [(KEYWORD, word.encode()) for word in words]


def octets(*texts: str) -> list[Tagged]:
    return [(OCTETS, each.encode()) for each in texts]


def collection(**members: int | Tagged) -> Tagged:
    """Members by their names with _ for -; a number is an integer."""
    told = {name.replace("_", "-"): each for name, each in members.items()}
    return 0x34, {n: integer(each) if isinstance(each, int) else each for n, each in told.items()}


def answer(
    attributes: Mapping[str, Tagged | Sequence[Tagged]], status: int = 0, message: str = ""
) -> bytes:
    said = struct.pack(">BBHIB", 2, 0, status, 1, 1) + _field(0x47, "attributes-charset", b"utf-8")
    if message:
        said += _field(TEXT, "status-message", message.encode())
    if attributes:
        said += b"\x04"
    for name, values in attributes.items():
        for place, value in enumerate([values] if isinstance(values, tuple) else values):
            said += _value("" if place else name, *value)
    return said + b"\x03"


def _value(name: str, tag: int, value: Any) -> bytes:
    if not isinstance(value, dict):
        return _field(tag, name, value)
    members = b"".join(
        _field(0x4A, "", member.encode()) + _value("", *each) for member, each in value.items()
    )
    return _field(0x34, name, b"") + members + _field(0x37, "", b"")


def _field(tag: int, name: str, value: bytes) -> bytes:
    named = struct.pack(">BH", tag, len(name)) + name.encode()
    return named + struct.pack(">H", len(value)) + value
