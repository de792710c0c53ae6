"""SNMPv3's engine question: who is there, asked without a user and without a secret.

Every SNMPv3 engine answers it (RFC 3414 section 4), whatever its users are, so that it tells of an
address whether SNMPv3 is spoken there; and what it answers is needed to ask anything else.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.snmp.v3_message import (
    AUTH,
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
from shared.snmp.wire import GET, V2C, SnmpMessage, WireError

_NOBODY = Security(b"", 0, 0, b"", b"", b"")
_SHORTEST_ENGINE_ID = 5  # octets; RFC 3411, SnmpEngineID


class EngineAnswer(NamedTuple):
    """`boots` of the engine, and seconds since the last; nothing of it is authentic."""

    message_id: int
    engine_id: bytes
    boots: int
    time: int


def engine_question(message_id: int) -> bytes:
    """A GET of nothing to the engine without an id. `message_id` is 0 to 2147483647."""
    pdu = write_pdu(SnmpMessage(V2C, b"", GET, message_id, 0, 0, []))
    scoped = write_scoped_pdu(ScopedPdu(b"", b"", pdu))
    return write_message(message_id, REPORTABLE, _NOBODY, scoped)


def engine_answer(datagram: bytes) -> EngineAnswer:
    """What answers an engine question. Raises: WireError, for anything else."""
    message = read_message(datagram)
    if message.flags & AUTH:
        raise WireError("an authenticated message, which the engine question cannot ask for")
    security = message.security
    if len(security.engine_id) < _SHORTEST_ENGINE_ID:
        raise WireError(f"an engine id of {len(security.engine_id)} octets; the shortest has 5")
    answer = read_pdu(read_scoped_pdu(message.body).pdu)
    if answer.pdu != REPORT or not answer.varbinds:
        raise WireError("a response where a report belongs")
    return EngineAnswer(message.message_id, security.engine_id, security.boots, security.time)
