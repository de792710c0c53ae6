"""IPP messages: a question for printers' attributes out, its answer in; pure. RFC 8010."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Union

GET_PRINTER_ATTRIBUTES = 0x000B  # RFC 8011 section 4.2.5
CUPS_GET_PRINTERS = 0x4002  # all queues of a server; CUPS Implementation of IPP
MAX_GROUPS = 2_000  # of an answer; each printer is one
Version = tuple[int, int]

_OPERATION_GROUP = 0x01
_END = 0x03
_PRINTER_GROUP = 0x04
_FIRST_VALUE_TAG = 0x10  # below it: delimiters
_BEGIN_COLLECTION = 0x34
_END_COLLECTION = 0x37
_MEMBER_NAME = 0x4A
_MAX_DEPTH = 8
_FIRST_WITH_VALUE = 0x20  # below it: out of band, without a value
_SYNTAXES = {  # RFC 8010 section 3.5.2
    0x10: "unsupported",
    0x11: "default",
    0x12: "unknown",
    0x13: "no-value",
    0x15: "not-settable",
    0x16: "delete-attribute",
    0x17: "admin-define",
    0x21: "integer",
    0x22: "boolean",
    0x23: "enum",
    0x30: "octetString",
    0x31: "dateTime",
    0x32: "resolution",
    0x33: "rangeOfInteger",
    0x34: "collection",
    0x35: "textWithLanguage",
    0x36: "nameWithLanguage",
    0x41: "textWithoutLanguage",
    0x42: "nameWithoutLanguage",
    0x44: "keyword",
    0x45: "uri",
    0x46: "uriScheme",
    0x47: "charset",
    0x48: "naturalLanguage",
    0x49: "mimeMediaType",
}
_NUMBERS = {0x21: ">i", 0x22: ">b", 0x23: ">i"}


class MalformedIppError(Exception):
    """Octets that are no IPP answer, or not all of one."""


class Value(NamedTuple):
    """One value, with its syntax as RFC 8010 calls it.

    An integer, enum or boolean is an int, a collection its members, what is out of band (unknown,
    no-value) None; all else, and a number of the wrong length, the octets.
    """

    syntax: str
    value: Union[int, bytes, Mapping[str, Sequence[Value]], None]  # noqa: UP007  (it holds itself)


Attributes = Mapping[str, Sequence[Value]]


class Answer(NamedTuple):
    """`printers` holds the attributes of each printer in it."""

    status: int
    message: bytes | None
    printers: Sequence[Attributes]


class Question(NamedTuple):
    """What is asked for: these attributes alone, of at most so many printers."""

    operation: int
    wanted: Sequence[str]
    limit: int | None = None

    def octets(self, uri: str, version: Version) -> bytes:
        """As it is sent to the printer or the server at `uri`."""
        fields = [
            (0x47, "attributes-charset", b"utf-8"),
            (0x48, "attributes-natural-language", b"en"),
            (0x45, "printer-uri", uri.encode()),
        ]
        if self.limit is not None:
            fields.append((0x21, "limit", struct.pack(">i", self.limit)))
        for place, name in enumerate(self.wanted):
            fields.append((0x44, "" if place else "requested-attributes", name.encode()))
        octets = bytearray(struct.pack(">BBHIB", *version, self.operation, 1, _OPERATION_GROUP))
        for tag, name, value in fields:
            octets += struct.pack(">BH", tag, len(name)) + name.encode()
            octets += struct.pack(">H", len(value)) + value
        return bytes(octets) + bytes([_END])


def answer_of(octets: bytes) -> Answer:
    """Raises: MalformedIppError, and nothing else whatever the octets are."""
    if len(octets) < 9:
        raise MalformedIppError(f"{len(octets)} octets are no IPP answer")
    if octets[0] not in (1, 2):
        raise MalformedIppError(f"version {octets[0]}.{octets[1]} is none of IPP's")
    [status] = struct.unpack_from(">H", octets, 2)
    groups = _groups(octets)
    operation = next((group for tag, group in groups if tag == _OPERATION_GROUP), {})
    said = next(iter(operation.get("status-message", ())), None)
    return Answer(
        status,
        said.value if said and isinstance(said.value, bytes) else None,
        [group for tag, group in groups if tag == _PRINTER_GROUP],
    )


class _Collection(NamedTuple):
    """One that is being read; `member` holds the name of its member that is."""

    members: dict[str, list[Value]]
    member: list[str]


def _groups(octets: bytes) -> list[tuple[int, dict[str, list[Value]]]]:
    groups: list[tuple[int, dict[str, list[Value]]]] = []
    open_: list[_Collection] = []
    values: list[Value] | None = None  # of the attribute that is being read
    for tag, name, octets_ in _fields(octets):
        if tag < _FIRST_VALUE_TAG:
            if open_:
                raise MalformedIppError("a collection does not end")
            if len(groups) >= MAX_GROUPS:
                raise MalformedIppError(f"over {MAX_GROUPS} groups of attributes")
            groups.append((tag, {}))
            values = None
        elif tag == _MEMBER_NAME and open_:
            open_[-1].member[:] = [octets_.decode("latin-1")]
        elif tag == _END_COLLECTION and open_:
            open_.pop()
        else:
            if open_:
                values_here = _member_values(open_[-1], name)
            else:
                if name and groups:
                    values = groups[-1][1].setdefault(name, [])
                if values is None:
                    raise MalformedIppError("a value belongs to no attribute")
                values_here = values
            values_here.append(_value(tag, octets_, open_))
    return groups


def _member_values(collection: _Collection, name: str) -> list[Value]:
    if name or not collection.member:
        raise MalformedIppError("a collection's value belongs to no member")
    return collection.members.setdefault(collection.member[0], [])


def _fields(octets: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Tag, name and value of each field; of a delimiter the tag. Ends with the last delimiter."""
    at = 8
    while at < len(octets):
        tag = octets[at]
        if tag == _END:
            return
        at += 1
        name = value = b""
        if tag >= _FIRST_VALUE_TAG:
            name, at = _counted(octets, at)
            value, at = _counted(octets, at)
        yield tag, name.decode("latin-1"), value
    raise MalformedIppError(f"{len(octets)} octets, and the answer does not end there")


def _counted(octets: bytes, at: int) -> tuple[bytes, int]:
    """Octets with their number in two octets before them, and where they end, be it beyond all."""
    begin = at + 2
    end = begin + int.from_bytes(octets[at:begin], "big")
    return octets[begin:end], end


def _value(tag: int, octets: bytes, open_: list[_Collection]) -> Value:
    """The value; of a collection, which is opened with it, the members that are still to come."""
    syntax = _SYNTAXES.get(tag, f"0x{tag:02x}")
    if tag == _BEGIN_COLLECTION:
        if len(open_) >= _MAX_DEPTH:
            raise MalformedIppError(f"collections within collections, over {_MAX_DEPTH} deep")
        open_.append(_Collection({}, []))
        return Value(syntax, open_[-1].members)
    if tag < _FIRST_WITH_VALUE:
        return Value(syntax, None)
    form = _NUMBERS.get(tag)
    if form and len(octets) == struct.calcsize(form):
        return Value(syntax, int(struct.unpack(form, octets)[0]))
    if syntax in ("textWithLanguage", "nameWithLanguage"):
        _, at = _counted(octets, 0)
        return Value(syntax, _counted(octets, at)[0])
    return Value(syntax, octets)
