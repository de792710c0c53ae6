"""Questions sealed and answers opened by the user-based security model, RFC 3414 section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from shared.credentials import Credential
from shared.snmp.pysnmp_keys import Keys
from shared.snmp.v3_message import (
    AUTH,
    MAX_BOOTS,
    PRIV,
    REPORT,
    REPORTABLE,
    ScopedPdu,
    Security,
    read_message,
    read_pdu,
    read_scoped_pdu,
    write_message,
    write_pdu,
    write_scoped_pdu,
)
from shared.snmp.wire import SnmpMessage, WireError

_FLAGS = {"noAuthNoPriv": 0, "authNoPriv": AUTH, "authPriv": AUTH | PRIV}
_LEVEL = AUTH | PRIV
_WINDOW_S = 150  # RFC 3414 section 2.2.3


class RefusedAnswerError(WireError):
    """An answer that is sound SNMPv3, and not one that may be believed."""


@dataclass
class Engine:
    """An authoritative engine's id and clock, RFC 3414 section 2.3.

    `boots` and `time` are those of `seen_at`, in seconds of the event loop's clock. They are not
    `verified` until an authentic message has said so.
    """

    id: bytes
    boots: int
    time: int
    seen_at: float
    verified: bool = False

    def clock(self, now: float) -> tuple[int, int]:
        """Boots and time at `now`."""
        return self.boots, min(self.time + int(now - self.seen_at), MAX_BOOTS)

    def set(self, boots: int, time: int, now: float, *, verified: bool) -> None:
        self.boots, self.time, self.seen_at, self.verified = boots, time, now, verified

    def agrees(self, boots: int, time: int, now: float) -> bool:
        """Whether an authentic message of these is timely; the clock is set by one that is later.

        Source: RFC 3414 section 3.2, step 7 b.
        """
        if not self.verified or (boots, time) > (self.boots, self.time):
            self.set(boots, time, now, verified=True)
        at_boots, at_time = self.clock(now)
        return boots == at_boots != MAX_BOOTS and time >= at_time - _WINDOW_S


class Opened(NamedTuple):
    """A response, which is what was asked for, or a report, which may be anybody's word."""

    answer: SnmpMessage
    security: Security
    is_authentic: bool

    @property
    def is_report(self) -> bool:
        return self.answer.pdu == REPORT


class Seal:
    """One credential at one engine."""

    def __init__(
        self, credential: Credential, keys: Keys, engine: Engine, max_message: int | None = None
    ) -> None:
        self.engine = engine
        self._max_message = max_message
        self._keys = keys
        self._level = _FLAGS[credential.level]
        self._user = credential.user_octets
        self._context = credential.context_octets

    def sealed(self, question: SnmpMessage, message_id: int, now: float) -> bytes:
        """A datagram with the PDU of `question`. Raises: WireError, for an OID that is none."""
        pdu = write_pdu(question)
        body, salt = write_scoped_pdu(ScopedPdu(self.engine.id, self._context, pdu)), b""
        boots, time = self.engine.clock(now) if self._level & AUTH else (0, 0)
        if self._level & PRIV:
            body, salt = self._keys.encrypt(body, boots, time)
        no_digest = bytes(self._keys.digest_octets)
        security = Security(self.engine.id, boots, time, self._user, no_digest, salt)
        flags = self._level | REPORTABLE
        datagram = write_message(message_id, flags, security, body, self._max_message)
        if not no_digest:
            return datagram
        at = read_message(datagram).digest_at
        return datagram[:at] + self._keys.digest(datagram) + datagram[at + len(no_digest) :]

    def opened(self, datagram: bytes, request_id: int, now: float) -> Opened:
        """What answers the question with this id.

        Raises: WireError, for octets that cannot be read; RefusedAnswerError.
        """
        message = read_message(datagram)
        security, body = message.security, message.body
        is_authentic = bool(message.flags & AUTH)
        if is_authentic:
            self._authenticate(datagram, security, message.digest_at)
        if message.flags & PRIV:
            body = self._keys.decrypt(body, security.boots, security.time, security.salt)
        scoped = read_scoped_pdu(body)
        opened = Opened(read_pdu(scoped.pdu), security, is_authentic)
        if opened.is_report:
            return opened
        if message.flags & _LEVEL != self._level:
            raise RefusedAnswerError("an answer of another security level than was asked for")
        if (security.engine_id, security.user) != (self.engine.id, self._user):
            raise RefusedAnswerError("an answer of another engine or user")
        if (scoped.context, opened.answer.request_id) != (self._context, request_id):
            raise RefusedAnswerError("an answer to another question, or in another context")
        if is_authentic and not self.engine.agrees(security.boots, security.time, now):
            raise RefusedAnswerError("an answer from outside the engine's time window")
        return opened

    def _authenticate(self, datagram: bytes, security: Security, digest_at: int) -> None:
        if (security.engine_id, security.user) != (self.engine.id, self._user):
            raise RefusedAnswerError("an answer of another engine or user")
        if not self._keys.is_authentic(datagram, security.digest, digest_at):
            raise RefusedAnswerError("an answer whose digest is wrong")
