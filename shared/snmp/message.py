"""What both halves of the codec speak of: the message, SNMP's types and their tags."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeGuard

from shared.snmp.port import SnmpError, Value, Varbind

V1: Final = 0
V2C: Final = 1
GET: Final = 0xA0
GETNEXT: Final = 0xA1
RESPONSE: Final = 0xA2
GETBULK: Final = 0xA5

MAX_SUBIDENTIFIERS: Final = 128  # RFC 2578 section 3.5
MAX_SUBIDENTIFIER: Final = 0xFFFFFFFF
INTEGER: Final = 0x02
OCTETS: Final = 0x04
OID: Final = 0x06
SEQUENCE: Final = 0x30

TAGS: Final = {
    "Integer32": INTEGER,
    "OctetString": OCTETS,
    "Null": 0x05,
    "ObjectIdentifier": OID,
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
INTEGER_RANGES: Final = {
    "Integer32": (-(2**31), 2**31 - 1),
    "Counter32": (0, 2**32 - 1),
    "Gauge32": (0, 2**32 - 1),
    "TimeTicks": (0, 2**32 - 1),
    "Counter64": (0, 2**64 - 1),
}
_ABSENT: Final = frozenset({"noSuchObject", "noSuchInstance", "endOfMibView"})
VALUELESS: Final = _ABSENT | {"Null"}


MAX_OCTETS: Final = 2048  # of a value that is kept; a text is 255, a description 1,024


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


def cut(message: SnmpMessage) -> SnmpMessage:
    """Without what octet strings hold beyond MAX_OCTETS, so that nobody fills our memory."""
    if not any(_is_long(value) for _, _, value in message.varbinds):
        return message
    kept = [
        one._replace(value=one.value[:MAX_OCTETS]) if _is_long(one.value) else one
        for one in message.varbinds
    ]
    return message._replace(varbinds=kept)


def _is_long(value: Value) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and len(value) > MAX_OCTETS
