"""Datagrams that the strict decoder refuses though they are sound BER, by pysnmp's decoder.

pysnmp rewrites one in the shortest BER, and the strict decoder reads that: the types are the same,
and so is what their values may be. Read here are indefinite lengths, lengths in up to eight
octets, text in pieces, and integers with any number of octets that say nothing. Refused stay
octets after the message, OIDs that X.690 forbids or of more than 128 numbers, values out of their
type's range, and integers without octets, which pysnmp takes for 0.

pysnmp takes some 100 us a varbind, and 0.1 s to be imported before the first: whoever calls this
has seen that the datagram bears the id of an open request, and comes from where that was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from shared.snmp.decoder import decode
from shared.snmp.message import INTEGER, OCTETS, SnmpMessage, WireError

MAX_OCTETS: Final = 4096  # thrice what is asked for; takes pysnmp some 0.1 s
_MAX_INTEGER_OCTETS: Final = 64


def request_id_leniently(datagram: bytes) -> int:
    """The request id, whatever the lengths around it are, in a few microseconds.

    The community must be in one piece.

    Raises: WireError.
    """
    try:
        _, at, _ = _header(datagram, 0)
        _, at, size = _header(datagram, at)
        tag, at, size = _header(datagram, at + size)
        if tag != OCTETS:
            raise WireError(f"octet {at}: tag 0x{tag:02x} where the community belongs")
        _, at, _ = _header(datagram, at + size)
        tag, at, size = _header(datagram, at)
    except IndexError:
        raise WireError("cut short before its request id") from None
    if tag != INTEGER or not 1 <= size <= _MAX_INTEGER_OCTETS or at + size > len(datagram):
        raise WireError(f"octet {at}: no request id")
    return int.from_bytes(datagram[at : at + size], "big", signed=True)


def decode_leniently(datagram: bytes) -> SnmpMessage:
    """As `decode`, of any BER that pysnmp reads without guessing. Raises: WireError."""
    if len(datagram) > MAX_OCTETS:
        raise WireError(f"{len(datagram)} octets that are not in the usual form; too many to try")
    try:
        canonical = _pysnmp()(datagram)
    except WireError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a stranger's octets make pysnmp raise)
        raise WireError(
            f"no SNMP message, by pysnmp's decoder either: {type(error).__name__}"
        ) from None
    return decode(canonical)


@cache
def _pysnmp() -> Callable[[bytes], bytes]:
    """What rewrites a datagram, made when the first that is odd has come."""
    from pyasn1.codec.ber import decoder, encoder
    from pyasn1.type import univ
    from pysnmp.proto.api import v2c  # its types hold v1's

    integers = _Integers(decoder.TAG_MAP[univ.Integer.tagSet].valueDecoder)
    options = {
        "tagMap": {**decoder.TAG_MAP, univ.Integer.tagSet: integers},
        "typeMap": {**decoder.TYPE_MAP, univ.Integer.typeId: integers},
    }

    def rewritten(datagram: bytes) -> bytes:
        message, rest = decoder.decode(datagram, asn1Spec=v2c.Message(), **options)
        if rest:
            raise WireError(f"{len(rest)} octets after the message's end")
        return bytes(encoder.encode(message))

    return rewritten


class _Integers:
    """pyasn1's way to read an integer, but for those without octets."""

    def __init__(self, read: Callable[..., object]) -> None:
        self._read = read

    def valueDecoder(  # noqa: N802  (pyasn1's name)
        self,
        octets: object,
        spec: object,
        tags: object,
        length: int,
        *more: object,
        **named: object,
    ) -> object:
        if not 1 <= length <= _MAX_INTEGER_OCTETS:
            raise WireError(f"an integer of {length} octets")
        return self._read(octets, spec, tags, length, *more, **named)


def _header(octets: bytes, at: int) -> tuple[int, int, int]:
    """Tag, where the content begins, and its length, 0 for an indefinite one.

    Raises: IndexError, where the octets end before; WireError, for a length over eight octets.
    """
    tag, length = octets[at], octets[at + 1]
    at += 2
    if length <= 0x80:
        return tag, at, length & 0x7F
    size = length & 0x7F
    if size > 8:
        raise WireError(f"octet {at}: a length in {size} octets")
    return tag, at + size, int.from_bytes(octets[at : at + size], "big")
