"""The SNMPv3 message of RFC 3412 section 6 with the security parameters of RFC 3414 section 2.4.

Framing alone: what it carries is neither checked for its digest nor decrypted here. Strict as
shared.snmp.wire is: definite lengths, each value ends where its parent says, nothing left over.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.snmp.wire import V2C, SnmpMessage, WireError, decode, encode

AUTH, PRIV, REPORTABLE = 0x01, 0x02, 0x04  # msgFlags
RESPONSE, REPORT = 0xA2, 0xA8
MAX_BOOTS = 2**31 - 1

_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
_VERSION, _USM = 3, 3
_MAX_SIZE = 65_507  # what is taken of an answer: the longest UDP payload on IPv4
_LONGEST_ENGINE_ID, _LONGEST_USER = 32, 32
_V2C_HEAD = bytes((_INTEGER, 1, V2C, _OCTETS, 0))  # version and an empty community


class Security(NamedTuple):
    """UsmSecurityParameters; boots and time in seconds are the authoritative engine's."""

    engine_id: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    salt: bytes


class V3Message(NamedTuple):
    """A message as it came. `body` is a scoped PDU, or its cipher text where PRIV is in flags."""

    message_id: int
    flags: int
    security: Security
    digest_at: int  # where the digest begins in the datagram
    body: bytes


class ScopedPdu(NamedTuple):
    engine_id: bytes
    context: bytes
    pdu: bytes


def write_message(
    message_id: int, flags: int, security: Security, body: bytes, max_message: int | None = None
) -> bytes:
    """`body` as in V3Message; `max_message` are the octets that an answer may have."""
    header = (
        _integer(message_id)
        + _integer(max_message or _MAX_SIZE)
        + _tlv(_OCTETS, bytes((flags,)))
        + _integer(_USM)
    )
    parameters = (
        _tlv(_OCTETS, security.engine_id)
        + _integer(security.boots)
        + _integer(security.time)
        + _tlv(_OCTETS, security.user)
        + _tlv(_OCTETS, security.digest)
        + _tlv(_OCTETS, security.salt)
    )
    return _tlv(
        _SEQUENCE,
        _integer(_VERSION)
        + _tlv(_SEQUENCE, header)
        + _tlv(_OCTETS, _tlv(_SEQUENCE, parameters))
        + (_tlv(_OCTETS, body) if flags & PRIV else body),
    )


def read_message(datagram: bytes) -> V3Message:
    """Raises: WireError, for anything but a whole SNMPv3 message with the user-based model."""
    message = _Reader(datagram, 0, len(datagram)).enter(_SEQUENCE, last=True)
    if (version := message.integer()) != _VERSION:
        raise WireError(f"version field {version}; v3 is 3")
    message_id, flags = _header(message.enter(_SEQUENCE))
    parameters = message.enter(_OCTETS).enter(_SEQUENCE, last=True)
    engine_id = parameters.octets(_LONGEST_ENGINE_ID)
    boots, time = parameters.integer(), parameters.integer()
    user = parameters.octets(_LONGEST_USER)
    digest = parameters.octets()
    digest_at = parameters.at - len(digest)
    security = Security(engine_id, boots, time, user, digest, parameters.octets())
    parameters.finish()
    body = message.octets() if flags & PRIV else message.rest(_SEQUENCE)
    message.finish()
    return V3Message(message_id, flags, security, digest_at, body)


def message_id_of(datagram: bytes) -> int:
    """The message id of a datagram whose rest may still be anything. Raises: WireError."""
    message = _Reader(datagram, 0, len(datagram)).enter(_SEQUENCE, last=True)
    if (version := message.integer()) != _VERSION:
        raise WireError(f"version field {version}; v3 is 3")
    return message.enter(_SEQUENCE).integer()


def write_scoped_pdu(scoped: ScopedPdu) -> bytes:
    return _tlv(
        _SEQUENCE, _tlv(_OCTETS, scoped.engine_id) + _tlv(_OCTETS, scoped.context) + scoped.pdu
    )


def read_scoped_pdu(octets: bytes) -> ScopedPdu:
    """What follows the scoped PDU is left alone: a cipher may have needed it. Raises: WireError."""
    scoped = _Reader(octets, 0, len(octets)).enter(_SEQUENCE)
    return ScopedPdu(scoped.octets(), scoped.octets(), bytes(octets[scoped.at : scoped.end]))


def write_pdu(message: SnmpMessage) -> bytes:
    """The PDU of a message, as v2c writes it. Raises: WireError."""
    whole = encode(message._replace(version=V2C, community=b""))
    reader = _Reader(whole, 0, len(whole)).enter(_SEQUENCE)
    reader.integer()
    reader.octets()
    return whole[reader.at :]


def read_pdu(pdu: bytes) -> SnmpMessage:
    """A response or a report; the answer's `pdu` says which. Raises: WireError."""
    if pdu[:1] not in (bytes((RESPONSE,)), bytes((REPORT,))):
        raise WireError(f"a PDU with the tag 0x{pdu[:1].hex()}, which answers nothing")
    whole = _tlv(_SEQUENCE, _V2C_HEAD + bytes((RESPONSE,)) + pdu[1:])
    return decode(whole)._replace(pdu=pdu[0])


def _header(header: _Reader) -> tuple[int, int]:
    """The message id and the flags."""
    message_id = header.integer()
    header.integer()  # what its sender would take; nothing is sent back to it
    flags = header.octets()
    if len(flags) != 1:
        raise WireError(f"message flags of {len(flags)} octets")
    if flags[0] & PRIV and not flags[0] & AUTH:
        raise WireError("privacy without authentication")  # RFC 3412 section 7.2 step 5d
    if (model := header.integer()) != _USM:
        raise WireError(f"security model {model}; the user-based one is 3")
    header.finish()
    return message_id, flags[0]


class _Reader:
    """Reads values one after the other up to `end`, each of which must lie before it."""

    def __init__(self, octets: bytes, at: int, end: int) -> None:
        self.at = at
        self.end = end
        self._octets = octets

    def enter(self, tag: int, *, last: bool = False) -> _Reader:
        """The content of the next value, after which nothing may come where it is the last."""
        start, stop = self._header(tag)
        self.at = stop
        if last:
            self.finish()
        return _Reader(self._octets, start, stop)

    def octets(self, longest: int | None = None) -> bytes:
        start, stop = self._header(_OCTETS)
        if longest is not None and stop - start > longest:
            raise WireError(f"octet {start}: {stop - start} octets where {longest} are allowed")
        self.at = stop
        return self._octets[start:stop]

    def rest(self, tag: int) -> bytes:
        """The next value with its tag and length."""
        start = self.at
        self.at = self._header(tag)[1]
        return self._octets[start : self.at]

    def integer(self) -> int:
        """0 to 2147483647."""
        start, stop = self._header(_INTEGER)
        content = self._octets[start:stop]
        if not 1 <= len(content) <= 4 or content[0] & 0x80:
            raise WireError(f"octet {start}: an integer that is negative, or of no 1 to 4 octets")
        self.at = stop
        return int.from_bytes(content, "big")

    def finish(self) -> None:
        if self.at != self.end:
            raise WireError(f"octet {self.at}: {self.end - self.at} octets too many")

    def _header(self, tag: int) -> tuple[int, int]:
        """Where the content of the next value, which must have this tag, begins and ends."""
        octets, at = self._octets, self.at
        if at + 2 > self.end:
            raise WireError(f"octet {at}: cut short")
        if octets[at] != tag:
            raise WireError(f"octet {at}: tag 0x{octets[at]:02x} where 0x{tag:02x} belongs")
        length = octets[at + 1]
        start = at + 2
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or start + size > self.end:
                raise WireError(f"octet {at + 1}: a length that is indefinite, long or cut short")
            length = int.from_bytes(octets[start : start + size], "big")
            start += size
        if start + length > self.end:
            raise WireError(f"octet {at}: says {length} octets where {self.end - start} are left")
        return start, start + length


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
