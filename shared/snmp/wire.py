"""SNMP v1 and v2c on the wire: RFC 1157 and RFC 3416 in the BER of X.690, without recursion.

Strict: definite lengths, each value ends where its parent says, numbers within their type's
range, nothing left over. One leniency, since such agents are many and only one meaning is
possible: a Counter, Gauge or TimeTicks in full width (4 or 8 octets) with its top bit set is
the unsigned number whose sign octet was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from shared.snmp.port import SnmpError, Value, Varbind

V1, V2C = 0, 1
GET, GETNEXT, RESPONSE, GETBULK = 0xA0, 0xA1, 0xA2, 0xA5

MAX_SUBIDENTIFIERS = 128  # RFC 2578 section 3.5
_MAX_SUBIDENTIFIER = 0xFFFFFFFF
_INTEGER, _OCTETS, _NULL, _OID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30

_TAGS = {
    "Integer32": _INTEGER,
    "OctetString": _OCTETS,
    "Null": _NULL,
    "ObjectIdentifier": _OID,
    "IpAddress": 0x40,
    "Counter32": 0x41,
    "Gauge32": 0x42,
    "TimeTicks": 0x43,
    "Opaque": 0x44,
    "Counter64": 0x46,
    "noSuchObject": 0x80,
    "noSuchInstance": 0x81,
    "endOfMibView": 0x82,
}
_TYPES = {tag: name for name, tag in _TAGS.items()}
_INTEGER_RANGES = {
    "Integer32": (-(2**31), 2**31 - 1),
    "Counter32": (0, 2**32 - 1),
    "Gauge32": (0, 2**32 - 1),
    "TimeTicks": (0, 2**32 - 1),
    "Counter64": (0, 2**64 - 1),
}
_UNSIGNED = frozenset({0x41, 0x42, 0x43})  # Counter32, Gauge32, TimeTicks
_VALUELESS = frozenset({"Null", "noSuchObject", "noSuchInstance", "endOfMibView"})
_ABSENT = frozenset({"noSuchObject", "noSuchInstance", "endOfMibView"})


class WireError(SnmpError):
    """Octets that are not an SNMP v1 or v2c message, or a message that cannot be put in octets."""


class SnmpMessage(NamedTuple):
    """A whole message. In a GETBULK, RFC 3416 gives the two error fields other names."""

    version: int
    community: bytes
    pdu: int
    request_id: int
    error_status: int  # GETBULK: non-repeaters
    error_index: int  # GETBULK: max-repetitions
    varbinds: list[Varbind]


def exists(varbind: Varbind) -> bool:
    """Whether the agent said that there is such an instance."""
    return varbind.type not in _ABSENT


# Encoding


def encode(message: SnmpMessage) -> bytes:
    """Raises: WireError, for an OID, a type or a value that the wire cannot carry."""
    varbinds = b"".join(map(encode_varbind, message.varbinds))
    pdu = (
        _integer(message.request_id)
        + _integer(message.error_status)
        + _integer(message.error_index)
        + _tlv(_SEQUENCE, varbinds)
    )
    return _tlv(
        _SEQUENCE,
        _integer(message.version) + _tlv(_OCTETS, message.community) + _tlv(message.pdu, pdu),
    )


def encode_request(
    version: int,
    community: bytes,
    pdu: int,
    request_id: int,
    oids: Sequence[str],
    *,
    max_repetitions: int = 0,
) -> bytes:
    """A GET, GETNEXT or GETBULK (without non-repeaters) for `oids`. Raises: WireError."""
    nulls = [Varbind(oid, "Null", None) for oid in oids]
    return encode(SnmpMessage(version, community, pdu, request_id, 0, max_repetitions, nulls))


def encode_varbind(varbind: Varbind) -> bytes:
    """Raises: WireError."""
    tag = _TAGS.get(varbind.type)
    if tag is None:
        raise WireError(f"{varbind.oid}: no SMI type is called {varbind.type!r}")
    return _tlv(_SEQUENCE, _tlv(_OID, encode_oid(varbind.oid)) + _tlv(tag, _content(varbind)))


def _content(varbind: Varbind) -> bytes:
    oid, kind, value = varbind
    bounds = _INTEGER_RANGES.get(kind)
    if bounds is not None:
        if not isinstance(value, int) or not bounds[0] <= value <= bounds[1]:
            raise WireError(f"{oid}: {value!r} is no {kind}")
        return _integer_content(value)
    if kind in _VALUELESS:
        return b""
    if kind in {"OctetString", "Opaque"} and isinstance(value, bytes):
        return value
    if kind == "ObjectIdentifier" and isinstance(value, str):
        return encode_oid(value)
    if kind == "IpAddress" and isinstance(value, str):
        try:
            return IPv4Address(value).packed
        except AddressValueError:
            raise WireError(f"{oid}: {value!r} is no IPv4 address") from None
    raise WireError(f"{oid}: {value!r} is no {kind}")


@lru_cache(maxsize=4096)
def encode_oid(oid: str) -> bytes:
    """The content octets of an OID, X.690 section 8.19. Raises: WireError."""
    try:
        numbers = [int(number) for number in oid.split(".")]
    except ValueError:
        numbers = []
    if (
        ".".join(map(str, numbers)) != oid
        or not 2 <= len(numbers) <= MAX_SUBIDENTIFIERS
        or numbers[0] > 2
        or (numbers[0] < 2 and numbers[1] >= 40)
        or not 0 <= min(numbers) <= max(numbers) <= _MAX_SUBIDENTIFIER
    ):
        raise WireError(f"{oid[:80]!r} is no OID")
    numbers[:2] = [40 * numbers[0] + numbers[1]]
    content = bytearray()
    for number in numbers:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return bytes(content)


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, _integer_content(value))


def _integer_content(value: int) -> bytes:
    magnitude = value if value >= 0 else ~value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


# Decoding


def decode(datagram: bytes) -> SnmpMessage:
    """The message that a whole datagram is.

    Raises:
        WireError: anything else than a GET, GETNEXT, GETBULK or response of v1 or v2c.
    """
    head, at = _read_head(datagram)
    end = len(datagram)
    error_status, at = _read_integer(datagram, at, end)
    error_index, at = _read_integer(datagram, at, end)
    at, stop = _enter(datagram, at, end, _SEQUENCE)
    if stop != end:
        raise WireError(f"{end - stop} octets after the variable bindings")
    varbinds = _quick_varbinds(datagram, at, end)
    if varbinds is None:
        varbinds = []
        while at < end:
            varbind, at = _read_varbind(datagram, at, end)
            varbinds.append(varbind)
    return SnmpMessage(*head, error_status, error_index, varbinds)


def request_id_of(datagram: bytes) -> int:
    """The request id of a datagram whose rest may still be anything. Raises: WireError."""
    return _read_head(datagram)[0][3]


def _read_head(datagram: bytes) -> tuple[tuple[int, bytes, int, int], int]:
    """Version, community, PDU and request id, and where the last of them ends."""
    at, end = _enter(datagram, 0, len(datagram), _SEQUENCE)
    if end != len(datagram):
        raise WireError(f"{len(datagram) - end} octets after the message's end")
    version, at = _read_integer(datagram, at, end)
    if version not in {V1, V2C}:
        raise WireError(f"version field {version}; v1 is 0 and v2c is 1")
    at, stop = _enter(datagram, at, end, _OCTETS)
    community = datagram[at:stop]
    pdu, at, pdu_end = _header(datagram, stop, end)
    if pdu not in {GET, GETNEXT, RESPONSE, GETBULK}:
        raise WireError(f"a PDU with the tag 0x{pdu:02x}, which is not one that is read here")
    if pdu_end != end:
        raise WireError(f"{end - pdu_end} octets after the PDU's end")
    request_id, at = _read_integer(datagram, at, end)
    return (version, community, pdu, request_id), at


def _quick_varbinds(octets: bytes, at: int, end: int) -> list[Varbind] | None:
    """The bindings up to `end` in one pass, in the forms that nearly all agents send.

    None for any other octets, sound or not: `_read_varbind` reads them or says what is wrong.
    """
    found: list[Varbind] = []
    new: Callable[..., Varbind] = tuple.__new__  # a third of the time of Varbind(…)
    try:
        while at < end:
            if octets[at] != _SEQUENCE:
                return None
            at, stop = _quick_header(octets, at)
            value_at = at + 2 + octets[at + 1]
            if octets[at] != _OID or octets[at + 1] >= 0x80 or stop > end:
                return None
            oid = _decode_oid(octets[at + 2 : value_at])
            tag = octets[value_at]
            at, value_end = _quick_header(octets, value_at)
            if value_end != stop:
                return None
            value: Value
            if tag == _OCTETS:
                value = octets[at:stop]
            elif tag == _INTEGER and at < stop <= at + 4:
                value = int.from_bytes(octets[at:stop], "big", signed=True)
            elif tag in _UNSIGNED and at < stop <= at + 4 and octets[at] < 0x80:
                value = int.from_bytes(octets[at:stop], "big")
            elif tag in _TYPES:
                value = _value(oid, _TYPES[tag], octets[at:stop])
            else:
                return None
            found.append(new(Varbind, (oid, _TYPES[tag], value)))
            at = stop
    except IndexError:
        return None
    return found


def _quick_header(octets: bytes, at: int) -> tuple[int, int]:
    """Where the content of the value at `at` begins and ends; unchecked.

    Raises: IndexError, for a length in more than two octets.
    """
    length = octets[at + 1]
    if length < 0x80:
        return at + 2, at + 2 + length
    if length == 0x81:
        return at + 3, at + 3 + octets[at + 2]
    if length == 0x82:
        return at + 4, at + 4 + (octets[at + 2] << 8 | octets[at + 3])
    raise IndexError


def _read_varbind(octets: bytes, at: int, end: int) -> tuple[Varbind, int]:
    at, end = _enter(octets, at, end, _SEQUENCE)
    at, stop = _enter(octets, at, end, _OID)
    oid = _decode_oid(octets[at:stop])
    tag, at, stop = _header(octets, stop, end)
    if stop != end:
        raise WireError(f"{oid}: {end - stop} octets after its value")
    kind = _TYPES.get(tag)
    if kind is None:
        raise WireError(f"{oid}: a value with the tag 0x{tag:02x}, which is no type of SNMP's")
    return Varbind(oid, kind, _value(oid, kind, octets[at:stop])), end


def _value(oid: str, kind: str, content: bytes) -> Value:
    if kind in _INTEGER_RANGES:
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
    low, high = _INTEGER_RANGES[kind]
    value = int.from_bytes(content, "big", signed=True)
    if value < 0 <= low and 8 * len(content) == high.bit_length():
        value = int.from_bytes(content, "big")
    if not low <= value <= high:
        raise WireError(f"{oid}: {value} is out of the range of {kind}")
    return value


def _read_integer(octets: bytes, at: int, end: int) -> tuple[int, int]:
    """An Integer32 of the message's own, and where it ends."""
    at, stop = _enter(octets, at, end, _INTEGER)
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
    if len(numbers) > MAX_SUBIDENTIFIERS or max(numbers) > _MAX_SUBIDENTIFIER:
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
