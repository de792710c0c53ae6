"""The engine question: pysnmp understands it, and of its answers nothing but answers is read."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.snmp.engine import EngineAnswer, engine_answer, engine_question
from shared.snmp.port import Varbind
from shared.snmp.v3_message import (
    AUTH,
    REPORT,
    RESPONSE,
    ScopedPdu,
    Security,
    message_id_of,
    write_message,
    write_pdu,
    write_scoped_pdu,
)
from shared.snmp.wire import V2C, SnmpMessage, WireError
from tests.unit.snmp.mutation import mutated

ENGINE = b"\x80\x00\x1f\x88\x04board"
COUNTER = Varbind("1.3.6.1.6.3.15.1.1.4.0", "Counter32", 17)
NUMBERS = st.integers(0, 2**31 - 1)


def report(
    message_id: int = 5,
    engine_id: bytes = ENGINE,
    boots: int = 3,
    time: int = 40,
    *,
    tag: int = REPORT,
    flags: int = 0,
    varbinds: tuple[Varbind, ...] = (COUNTER,),
) -> bytes:
    pdu = write_pdu(SnmpMessage(V2C, b"", RESPONSE, 0, 0, 0, list(varbinds)))
    scoped = write_scoped_pdu(ScopedPdu(engine_id, b"", bytes((tag,)) + pdu[1:]))
    return write_message(message_id, flags, Security(engine_id, boots, time, b"", b"", b""), scoped)


def test_pysnmps_engine_answers_the_question_and_its_answer_is_read() -> None:
    from pysnmp.carrier.base import AbstractTransportDispatcher
    from pysnmp.entity.engine import SnmpEngine
    from pysnmp.proto.error import StatusInformation

    sent: list[bytes] = []

    class Wire(AbstractTransportDispatcher):  # type: ignore[misc]
        def send_message(self, octets: Any, domain: Any, address: Any) -> None:
            sent.append(octets)

    engine = SnmpEngine()
    engine.register_transport_dispatcher(Wire())
    with pytest.raises(StatusInformation, match="UnknownEngineID"):
        engine.message_processing_subsystems[3].prepare_data_elements(
            engine, (1,), ("127.0.0.1", 161), engine_question(2**31 - 1)
        )

    [answer] = sent
    assert engine_answer(answer).message_id == 2**31 - 1
    assert engine_answer(answer).engine_id == bytes(engine.snmpEngineID)


def test_the_question_is_one_short_datagram_without_a_user() -> None:
    assert len(engine_question(2**31 - 1)) <= 80
    assert message_id_of(engine_question(77)) == 77


@settings(deadline=None)
@given(NUMBERS, st.binary(min_size=5, max_size=32), NUMBERS, NUMBERS)
def test_what_an_engine_says_of_itself_is_read(
    message_id: int, engine_id: bytes, boots: int, time: int
) -> None:
    answer = engine_answer(report(message_id, engine_id, boots, time))

    assert answer == EngineAnswer(message_id, engine_id, boots, time)


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "cut short"),
        (engine_question(5), "an engine id of 0 octets"),
        (report(engine_id=b"four"), "an engine id of 4 octets"),
        (report(engine_id=b"x" * 33), "33 octets where 32 are allowed"),
        (report(tag=RESPONSE), "a response where a report belongs"),
        (report(varbinds=()), "a response where a report belongs"),
        (report(flags=AUTH), "an authenticated message"),
        (report() + b"\0", "1 octets too many"),
        (report().replace(b"\x02\x01\x03\x30", b"\x02\x01\x01\x30", 1), "version field 1"),
    ],
)
def test_anything_else_is_refused(datagram: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        engine_answer(datagram)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_made_up_octets_raise_nothing_but_a_wire_error(datagram: bytes) -> None:
    with pytest.raises(WireError):
        engine_answer(datagram)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mutated_answer_is_read_or_raises_a_wire_error(seed: int) -> None:
    dice = Random(seed)
    for _ in range(500):
        try:
            answer = engine_answer(mutated(dice, report()))
        except WireError:
            continue
        assert 5 <= len(answer.engine_id) <= 32
        assert all(0 <= number < 2**31 for number in (answer.message_id, answer.boots, answer.time))
