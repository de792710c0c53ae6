"""Octets to messages: strict, without recursion, and in one pass for what nearly all agents send.

Strict: definite lengths, each value ends where its parent says, numbers within their type's
range, nothing left over. One leniency, since such agents are many and only one meaning is
possible: a Counter, Gauge or TimeTicks in full width (4 or 8 octets) with its top bit set is
the unsigned number whose sign octet was left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import repeat
from struct import Struct
from typing import Final

from shared.snmp.message import (
    GET,
    GETBULK,
    GETNEXT,
    INTEGER,
    INTEGER_RANGES,
    MAX_SUBIDENTIFIER,
    MAX_SUBIDENTIFIERS,
    OCTETS,
    OID,
    RESPONSE,
    SEQUENCE,
    TAGS,
    V1,
    V2C,
    VALUELESS,
    SnmpMessage,
    WireError,
)
from shared.snmp.port import Value, Varbind

_TYPES: Final = {tag: name for name, tag in TAGS.items()}
_PDUS: Final = frozenset({GET, GETNEXT, RESPONSE, GETBULK})

_begin: Final = Struct(">HBBB").unpack_from  # a version of one octet, a community's length in one
_numbers: Final = Struct(">HIHBHB").unpack_from  # an id of four octets, two fields of one
_request_id: Final = Struct(">HI").unpack_from

_Read = Callable[[bytes, int], tuple[int, ...]]
_SIGNED: Final[dict[int, _Read]] = {
    1: Struct(">xb").unpack_from,
    2: Struct(">xh").unpack_from,
    4: Struct(">xi").unpack_from,
}
_UNSIGNED: Final[dict[int, _Read]] = {
    1: Struct(">xB").unpack_from,
    2: Struct(">xH").unpack_from,
    3: Struct(">I").unpack_from,  # the octet before the three says 3, and is masked
    4: Struct(">xI").unpack_from,
}

# What the octets of a varbind up to its value's content say, once they were read strictly: OID,
# type, size of the content, how a number is read from the octet before it (None: it is octets, or
# nothing), and the greatest number of that size whose sign bit is clear (0: any number will do;
# with None: -1 for nothing).
_Shape = tuple[str, str, int, _Read | None, int]
_shapes: Final[dict[bytes, _Shape]] = {}
_NUMBERS: Final = frozenset({"Integer32", "Counter32", "Gauge32", "TimeTicks"})
_UNUSUAL: Final = (0, 0, 0)
_MAX_SHAPES: Final = 8192  # then they are learnt afresh: a stranger's cost us one miss each


def decode(datagram: bytes) -> SnmpMessage:
    """The message that a whole datagram is.

    Raises:
        WireError: anything else than a GET, GETNEXT, GETBULK or response of v1 or v2c.
    """
    end = len(datagram)
    begin, stop, at = _usual_head(datagram, end)
    if at:
        version, community, pdu = datagram[begin - 3], datagram[begin:stop], datagram[stop]
        tag, request_id, status_tag, status, index_tag, index = _numbers(datagram, at)
    else:
        version, community, pdu, at = _read_head(datagram)
        tag = status_tag = index_tag = request_id = status = index = 0
    if (
        tag == 0x0204
        and status_tag == index_tag == 0x0201
        and request_id < 2**31
        and status < 0x80
        and index < 0x80
    ):
        at += 12
    else:
        request_id, at = _read_integer(datagram, at, end)
        status, at = _read_integer(datagram, at, end)
        index, at = _read_integer(datagram, at, end)
    start = _usual_content(datagram, at, end)
    if not start or datagram[at] != SEQUENCE:
        start, stop = _enter(datagram, at, end, SEQUENCE)
        if stop != end:
            raise WireError(f"{end - stop} octets after the variable bindings")
    varbinds = _read_varbinds(datagram, start, end)
    new: Callable[..., SnmpMessage] = tuple.__new__
    return new(SnmpMessage, (version, community, pdu, request_id, status, index, varbinds))


def request_id_of(datagram: bytes) -> int:
    """The request id of a datagram whose rest may still be anything. Raises: WireError."""
    end = len(datagram)
    _, _, at = _usual_head(datagram, end)
    if at:
        tag, request_id = _request_id(datagram, at)
        if tag == 0x0204 and request_id < 2**31:
            return int(request_id)
    else:
        at = _read_head(datagram)[3]
    return _read_integer(datagram, at, end)[0]


def _usual_head(octets: bytes, end: int) -> tuple[int, int, int]:
    """Where the community begins and ends and the request id is, as nearly all agents send them.

    At least 14 octets are left from there, as many as an id of four octets needs. Zeros for a
    head that `_read_head` must read.
    """
    at = _usual_content(octets, 0, end)
    if not at:
        return _UNUSUAL
    version_tag, version, community_tag, size = _begin(octets, at)
    begin = at + 5
    stop = begin + size
    if (
        version_tag != 0x0201
        or version > V2C
        or community_tag != OCTETS
        or size >= 0x80
        or octets[0] != SEQUENCE
        or stop + 18 > end
        or octets[stop] not in _PDUS
    ):
        return _UNUSUAL
    at = _usual_content(octets, stop, end)
    return (begin, stop, at) if at else _UNUSUAL


def _usual_content(octets: bytes, at: int, end: int) -> int:
    """Where the content of the value at `at` begins, if it ends with the datagram, at `end`.

    0 where it does not, where its length stands in more than two octets, and for short messages.
    """
    if at + 18 > end:
        return 0
    length = octets[at + 1]
    if length < 0x80:
        at += 2
    elif length == 0x82:
        length = octets[at + 2] << 8 | octets[at + 3]
        at += 4
    elif length == 0x81:
        length = octets[at + 2]
        at += 3
    else:
        return 0
    return at if at + length == end else 0


def _read_head(octets: bytes) -> tuple[int, bytes, int, int]:
    """Version, community, PDU, and where the request id is."""
    at, end = _enter(octets, 0, len(octets), SEQUENCE)
    if end != len(octets):
        raise WireError(f"{len(octets) - end} octets after the message's end")
    version, at = _read_integer(octets, at, end)
    if version not in {V1, V2C}:
        raise WireError(f"version field {version}; v1 is 0 and v2c is 1")
    at, stop = _enter(octets, at, end, OCTETS)
    community = octets[at:stop]
    pdu, at, pdu_end = _header(octets, stop, end)
    if pdu not in _PDUS:
        raise WireError(f"a PDU with the tag 0x{pdu:02x}, which is not one that is read here")
    if pdu_end != end:
        raise WireError(f"{end - pdu_end} octets after the PDU's end")
    return version, community, pdu, at


def _read_varbinds(octets: bytes, at: int, end: int) -> list[Varbind]:
    found: list[tuple[str, str, Value]] = []
    shape_of = _shapes.get
    value: Value
    try:
        while at < end:
            start = at + 6 + octets[at + 3]  # past a short OID and a short length
            shape = shape_of(octets[at:start])
            if shape is None and octets[at + 1] == 0x82:
                start = at + 8 + octets[at + 5]
                shape = shape_of(octets[at:start])
            if shape is None:
                varbind, at = _learn_varbind(octets, at, end)
                found.append(varbind)
                continue
            oid, kind, size, read, limit = shape
            at = start + size
            if at > end:
                raise WireError(f"{oid}: says {size} octets where {end - start} are left")
            if read is None:
                value = None if limit else octets[start:at]
            else:
                (value,) = read(octets, start - 1)
                if limit:
                    value &= 0xFFFFFF
                    if value > limit:
                        value = _value(oid, kind, octets[start:at])
            found.append((oid, kind, value))
    except IndexError:
        raise WireError(f"octet {at}: cut short") from None
    new: Callable[..., Varbind] = tuple.__new__  # a third of the time of Varbind(…)
    return list(map(new, repeat(Varbind), found))


def _learn_varbind(octets: bytes, at: int, end: int) -> tuple[Varbind, int]:
    """The varbind at `at`, and where it ends; its shape is remembered."""
    varbind, start, stop = _read_varbind(octets, at, end)
    oid, kind, _ = varbind
    size = stop - start
    read: _Read | None = None
    limit = 0
    if kind in VALUELESS:
        limit = -1
    elif kind == "Integer32" and size in _SIGNED:
        read = _SIGNED[size]
    elif kind in _NUMBERS and size in _UNSIGNED:
        read = _UNSIGNED[size]
        limit = 0 if size == 4 else (1 << 8 * size - 1) - 1
    elif kind not in {"OctetString", "Opaque"}:
        return varbind, stop
    if start in {at + 6 + octets[at + 3], at + 8 + octets[at + 5]}:
        if len(_shapes) >= _MAX_SHAPES:
            _shapes.clear()
        _shapes[octets[at:start]] = oid, kind, size, read, limit
    return varbind, stop


def _read_varbind(octets: bytes, at: int, end: int) -> tuple[Varbind, int, int]:
    """The varbind at `at`, and where its value's content begins and ends."""
    at, end = _enter(octets, at, end, SEQUENCE)
    at, stop = _enter(octets, at, end, OID)
    oid = _decode_oid(octets[at:stop])
    tag, at, stop = _header(octets, stop, end)
    if stop != end:
        raise WireError(f"{oid}: {end - stop} octets after its value")
    kind = _TYPES.get(tag)
    if kind is None:
        raise WireError(f"{oid}: a value with the tag 0x{tag:02x}, which is no type of SNMP's")
    return Varbind(oid, kind, _value(oid, kind, octets[at:stop])), at, end


def _value(oid: str, kind: str, content: bytes) -> Value:
    if kind in INTEGER_RANGES:
        return _integer_value(oid, kind, content)
    if kind in {"OctetString", "Opaque"}:
        return content
    if kind == "ObjectIdentifier":
        return _decode_oid(content)
    if kind == "IpAddress":
        if len(content) != 4:
            raise WireError(f"{oid}: an IpAddress of {len(content)} octets")
        return ".".join(map(str, content))
    if content:
        raise WireError(f"{oid}: a {kind} with {len(content)} octets of content")
    return None


def _integer_value(oid: str, kind: str, content: bytes) -> int:
    if not 1 <= len(content) <= 9:
        raise WireError(f"{oid}: a {kind} of {len(content)} octets")
    low, high = INTEGER_RANGES[kind]
    value = int.from_bytes(content, "big", signed=True)
    if value < 0 <= low and 8 * len(content) == high.bit_length():
        value = int.from_bytes(content, "big")
    if not low <= value <= high:
        raise WireError(f"{oid}: {value} is out of the range of {kind}")
    return value


def _read_integer(octets: bytes, at: int, end: int) -> tuple[int, int]:
    """An Integer32 of the message's own, and where it ends."""
    at, stop = _enter(octets, at, end, INTEGER)
    return _integer_value("message header", "Integer32", octets[at:stop]), stop


@lru_cache(maxsize=4096)
def _decode_oid(content: bytes) -> str:
    if not content or content[-1] & 0x80:
        raise WireError("an OID that is empty or ends within a number")
    if len(content) > 5 * MAX_SUBIDENTIFIERS:
        raise WireError(f"an OID of {len(content)} octets")
    numbers: list[int] = []
    number = 0
    for octet in content:
        if octet == 0x80 and not number:
            raise WireError("an OID with a number that begins with 0x80")  # X.690 section 8.19.2
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    numbers[:1] = [first, numbers[0] - 40 * first]
    if len(numbers) > MAX_SUBIDENTIFIERS or max(numbers) > MAX_SUBIDENTIFIER:
        raise WireError("an OID with more than 128 numbers, or one over 32 bits")
    return ".".join(map(str, numbers))


def _enter(octets: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `at`, which must have `tag`, begins and ends."""
    found, start, stop = _header(octets, at, end)
    if found != tag:
        raise WireError(f"octet {at}: tag 0x{found:02x} where 0x{tag:02x} belongs")
    return start, stop


def _header(octets: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, begin and end of the content of the value at `at`, which must end by `end`."""
    if at + 2 > end:
        raise WireError(f"octet {at}: cut short")
    tag, length = octets[at], octets[at + 1]
    at += 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise WireError(f"octet {at - 1}: an indefinite length, or one in {size} octets")
        if at + size > end:
            raise WireError(f"octet {at}: cut short")
        length = int.from_bytes(octets[at : at + size], "big")
        at += size
    if at + length > end:
        raise WireError(f"octet {at}: says {length} octets where {end - at} are left")
    return tag, at, at + length
