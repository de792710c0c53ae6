"""Messages to octets: RFC 1157 and RFC 3416 in the shortest BER of X.690."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from struct import Struct
from typing import Final

from shared.snmp.message import (
    INTEGER,
    INTEGER_RANGES,
    MAX_SUBIDENTIFIER,
    MAX_SUBIDENTIFIERS,
    OCTETS,
    OID,
    SEQUENCE,
    TAGS,
    VALUELESS,
    SnmpMessage,
    WireError,
)
from shared.snmp.port import Varbind

# the request ids that take four octets, so that every id fits where another stood
FRESH_ID_MIN: Final = 2**23
FRESH_ID_MAX: Final = 2**31 - 1
_FOUR_OCTETS: Final = Struct(">I")
_DRAWN_AT_ONCE: Final = 256


def encode(message: SnmpMessage) -> bytes:
    """Raises: WireError, for an OID, a type or a value that the wire cannot carry."""
    version, community, pdu, request_id, error_status, error_index, varbinds = message
    rest = _rest(error_status, error_index, b"".join(map(encode_varbind, varbinds)))
    return _message(version, community, pdu, request_id, rest)


def encode_request(
    version: int,
    community: bytes,
    pdu: int,
    request_id: int,
    oids: Sequence[str],
    *,
    non_repeaters: int = 0,
    max_repetitions: int = 0,
) -> bytes:
    """A GET, GETNEXT or GETBULK for `oids`. Raises: WireError."""
    rest = _rest(non_repeaters, max_repetitions, b"".join(map(_unbound, oids)))
    return _message(version, community, pdu, request_id, rest)


class RequestTemplate:
    """A request but for its id."""

    __slots__ = ("_after", "_before")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._after = after

    def __len__(self) -> int:
        """The octets of each request."""
        return len(self._before) + 4 + len(self._after)

    def request(self, request_id: int) -> bytes:
        """The datagram. Raises: WireError, for an id outside FRESH_ID_MIN to FRESH_ID_MAX."""
        if not FRESH_ID_MIN <= request_id <= FRESH_ID_MAX:
            raise WireError(f"request id {request_id} does not take four octets")
        return self._before + request_id.to_bytes(4, "big") + self._after


def request_template(
    version: int,
    community: bytes,
    pdu: int,
    oids: Sequence[str],
    *,
    non_repeaters: int = 0,
    max_repetitions: int = 0,
) -> RequestTemplate:
    """`encode_request` for any id that `fresh_id` gives. Raises: WireError."""
    rest = _rest(non_repeaters, max_repetitions, b"".join(map(_unbound, oids)))
    whole = _message(version, community, pdu, FRESH_ID_MIN, rest)
    id_ends = len(whole) - len(rest)
    return RequestTemplate(whole[: id_ends - 4], rest)


def _fresh_ids() -> Iterator[int]:
    while True:
        for (drawn,) in _FOUR_OCTETS.iter_unpack(secrets.token_bytes(4 * _DRAWN_AT_ONCE)):
            number = drawn & FRESH_ID_MAX
            if number >= FRESH_ID_MIN:
                yield number


_ids: Final = _fresh_ids()


def fresh_id() -> int:
    """A request id that nobody can guess, FRESH_ID_MIN to FRESH_ID_MAX."""
    return next(_ids)


def encode_varbind(varbind: Varbind) -> bytes:
    """Raises: WireError."""
    tag = TAGS.get(varbind.type)
    if tag is None:
        raise WireError(f"{varbind.oid}: no SMI type is called {varbind.type!r}")
    return _tlv(SEQUENCE, _tlv(OID, encode_oid(varbind.oid)) + _tlv(tag, _content(varbind)))


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
        or not 0 <= min(numbers) <= max(numbers) <= MAX_SUBIDENTIFIER
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


@lru_cache(maxsize=4096)
def _unbound(oid: str) -> bytes:
    """The varbind that asks for `oid`."""
    return _tlv(SEQUENCE, _tlv(OID, encode_oid(oid)) + b"\x05\x00")


def _content(varbind: Varbind) -> bytes:
    oid, kind, value = varbind
    bounds = INTEGER_RANGES.get(kind)
    if bounds is not None:
        if not isinstance(value, int) or not bounds[0] <= value <= bounds[1]:
            raise WireError(f"{oid}: {value!r} is no {kind}")
        return _integer_content(value)
    if kind in VALUELESS:
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


def _message(version: int, community: bytes, pdu: int, request_id: int, rest: bytes) -> bytes:
    asked = _tlv(pdu, _integer(request_id) + rest)
    return _tlv(SEQUENCE, _integer(version) + _tlv(OCTETS, community) + asked)


def _rest(error_status: int, error_index: int, varbinds: bytes) -> bytes:
    """What follows the request id to the message's end."""
    return _integer(error_status) + _integer(error_index) + _tlv(SEQUENCE, varbinds)


def _integer(value: int) -> bytes:
    """An Integer32 of the message's own. Raises: WireError."""
    if not -(2**31) <= value < 2**31:
        raise WireError(f"{value} is over 31 bits")
    return _tlv(INTEGER, _integer_content(value))


def _integer_content(value: int) -> bytes:
    magnitude = value if value >= 0 else ~value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
