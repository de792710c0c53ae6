"""Strict reading of BER, X.690: by the octet, and in words where something is wrong.

Definite lengths, each value ends where its parent says, numbers within their type's range. One
leniency, since such agents are many and only one meaning is possible: a Counter, Gauge or
TimeTicks in full width (4 or 8 octets) with its top bit set is the unsigned number whose sign
octet was left out.
"""

from __future__ import annotations

from functools import lru_cache
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
    WireError,
)
from shared.snmp.port import Value, Varbind

_TYPES: Final = {tag: name for name, tag in TAGS.items()}
PDUS: Final = frozenset({GET, GETNEXT, RESPONSE, GETBULK})


def read_head(octets: bytes) -> tuple[int, bytes, int, int]:
    """Version, community, PDU, and where the request id is."""
    at, end = enter(octets, 0, len(octets), SEQUENCE)
    if end != len(octets):
        raise WireError(f"{len(octets) - end} octets after the message's end")
    version, at = read_integer(octets, at, end)
    if version not in {V1, V2C}:
        raise WireError(f"version field {version}; v1 is 0 and v2c is 1")
    at, stop = enter(octets, at, end, OCTETS)
    community = octets[at:stop]
    pdu, at, pdu_end = _header(octets, stop, end)
    if pdu not in PDUS:
        raise WireError(f"a PDU with the tag 0x{pdu:02x}, which is not one that is read here")
    if pdu_end != end:
        raise WireError(f"{end - pdu_end} octets after the PDU's end")
    return version, community, pdu, at


def read_varbind(octets: bytes, at: int, end: int) -> tuple[Varbind, int, int]:
    """The varbind at `at`, and where its value's content begins and ends."""
    at, end = enter(octets, at, end, SEQUENCE)
    at, stop = enter(octets, at, end, OID)
    oid = decode_oid(octets[at:stop])
    tag, at, stop = _header(octets, stop, end)
    if stop != end:
        raise WireError(f"{oid}: {end - stop} octets after its value")
    kind = _TYPES.get(tag)
    if kind is None:
        raise WireError(f"{oid}: a value with the tag 0x{tag:02x}, which is no type of SNMP's")
    return Varbind(oid, kind, read_value(oid, kind, octets[at:stop])), at, end


def read_value(oid: str, kind: str, content: bytes) -> Value:
    if kind in INTEGER_RANGES:
        return _integer_value(oid, kind, content)
    if kind in {"OctetString", "Opaque"}:
        return content
    if kind == "ObjectIdentifier":
        return decode_oid(content)
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


def read_integer(octets: bytes, at: int, end: int) -> tuple[int, int]:
    """An Integer32 of the message's own, and where it ends."""
    at, stop = enter(octets, at, end, INTEGER)
    return _integer_value("message header", "Integer32", octets[at:stop]), stop


@lru_cache(maxsize=4096)
def decode_oid(content: bytes) -> str:
    """Dotted text of an OID's content octets, X.690 section 8.19. Raises: WireError."""
    if not content or content[-1] & 0x80:
        raise WireError("an OID that is empty or ends within a number")
    if len(content) > 5 * MAX_SUBIDENTIFIERS:
        raise WireError(f"an OID of {len(content)} octets")
    numbers: list[int] = []
    number = 0
    for octet in content:
        if octet < 0x80:
            numbers.append(number << 7 | octet)
            number = 0
        elif octet == 0x80 and not number:
            raise WireError("an OID with a number that begins with 0x80")  # X.690 section 8.19.2
        else:
            number = number << 7 | octet & 0x7F
    first = min(numbers[0] // 40, 2)
    numbers[:1] = [first, numbers[0] - 40 * first]
    if len(numbers) > MAX_SUBIDENTIFIERS or max(numbers) > MAX_SUBIDENTIFIER:
        raise WireError("an OID with more than 128 numbers, or one over 32 bits")
    return ".".join(map(str, numbers))


def enter(octets: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
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
