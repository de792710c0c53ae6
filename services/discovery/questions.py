"""The questions of a sweep, and which of them a datagram answers."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from services.discovery.broadcast import BroadcastAsk
from services.discovery.groups import V3, Pass
from services.discovery.identify import FIRST_QUESTION, V1_QUESTION
from shared.credentials import PUBLIC, Credential
from shared.snmp.engine import engine_answer, engine_question
from shared.snmp.port import Varbind
from shared.snmp.wire import GET, RESPONSE, V1, WireError, decode, encode_request

_LONGEST_ANSWER = 4096  # octets; the five rows that are asked for are at most 255 each


class Question(NamedTuple):
    """Of a pass, of a broadcast; or of neither, where all passes were silent."""

    payload: bytes
    version: int
    asked: Pass | None = None
    broadcast: BroadcastAsk | None = None


class Questions:
    """Each with an id of its own, the same for all addresses that it is sent to."""

    def __init__(self) -> None:
        self._by_id: dict[int, Question] = {}
        self._marks: list[tuple[bytes, int]] = []  # the ids as they are in a datagram

    def new(
        self,
        version: int,
        credential: Credential = PUBLIC,
        *,
        asked: Pass | None = None,
        broadcast: BroadcastAsk | None = None,
    ) -> bytes:
        """Its datagram. The id has 30 random bits, always four octets long: so a preview is
        right to the octet.
        """
        number = secrets.randbits(30) | 1 << 30
        while number in self._by_id:
            number = secrets.randbits(30) | 1 << 30
        payload = _payload(version, credential, number)
        self._by_id[number] = Question(payload, version, asked, broadcast)
        self._marks.append((number.to_bytes(4, "big"), number))
        return payload

    def answered_by(self, payload: bytes) -> tuple[Question, tuple[Varbind, ...]] | None:
        """With the answer's rows. Anybody may send anything: only what bears an id is read."""
        number = next((number for mark, number in self._marks if mark in payload), None)
        if number is None or len(payload) > _LONGEST_ANSWER:
            return None
        question = self._by_id[number]
        try:
            read, varbinds = _read(payload, question.version)
        except WireError:
            return None
        return (question, varbinds) if read == number else None


def _payload(version: int, credential: Credential, number: int) -> bytes:
    if version == V3:
        return engine_question(number)
    oids = V1_QUESTION if version == V1 else FIRST_QUESTION
    return encode_request(version, credential.community_octets, GET, number, oids)


def _read(payload: bytes, version: int) -> tuple[int, tuple[Varbind, ...]]:
    """The id of an answer, and its rows; of an error there are none. Raises: WireError."""
    if version == V3:
        return engine_answer(payload).message_id, ()
    message = decode(payload)
    if message.pdu != RESPONSE:
        raise WireError("a question where an answer belongs")
    rows = () if message.error_status else message.varbinds[: len(FIRST_QUESTION)]
    return message.request_id, tuple(rows)
