"""Questions and answers of SNMPv3 in the octets of the wire, and who may be believed."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.credentials import Auth, Credential
from shared.snmp.port import Varbind
from shared.snmp.pysnmp_keys import Keyring, _hashed, _localised
from shared.snmp.v3_message import (
    AUTH,
    MAX_BOOTS,
    PRIV,
    read_message,
    read_pdu,
    read_scoped_pdu,
    write_message,
)
from shared.snmp.v3_usm import Engine, RefusedAnswerError, Seal
from shared.snmp.wire import GET, V2C, SnmpMessage, WireError
from tests.peers.v3_agent import Misbehaviour, V3Agent
from tests.unit.snmp.mutation import mutated

NAME = "1.3.6.1.2.1.1.5.0"
REQUEST_ID = 1234
QUESTION = SnmpMessage(V2C, b"", GET, REQUEST_ID, 0, 0, [Varbind(NAME, "Null", None)])
PLAIN = {"version": "3", "user": "a-user"}
SIGNED = PLAIN | {"auth": "sha256", "auth_password": "auth-s3cret"}
SECRET = SIGNED | {"privacy": "aes128", "privacy_password": "privacy-s3cret"}
LEVELS = {
    "noAuthNoPriv": (PLAIN, 0),
    "authNoPriv": (SIGNED, AUTH),
    "authPriv": (SECRET, AUTH | PRIV),
}


class Pair:
    """A credential's seal, and an agent that has the same user."""

    def __init__(self, fields: dict[str, str]) -> None:
        credential = Credential.model_validate(fields)
        self.agent = V3Agent(credential, {NAME: ("OctetString", b"a name")})
        self.engine = Engine(self.agent.engine_id, 7, 5000, seen_at=0)
        keys = Keyring().keys(credential, self.agent.engine_id)
        self.seal = Seal(credential, keys, self.engine)

    def answer(self) -> bytes:
        made = self.agent.answer(self.seal.sealed(QUESTION, 99, 0))
        assert made is not None
        return made


PAIRS = {level: Pair(fields) for level, (fields, _) in LEVELS.items()}
ANSWERS = {level: pair.answer() for level, pair in PAIRS.items()}


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        ("md5", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha1", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_keys_are_those_of_rfc_3414_section_a_3(auth: Auth, key: str) -> None:
    engine_id = bytes.fromhex("000000000000000000000002")

    assert _localised(auth, _hashed(auth, "maplesyrup"), engine_id).hex() == key


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_asked_is_answered_at_the_same_level(level: str) -> None:
    opened = PAIRS[level].seal.opened(ANSWERS[level], REQUEST_ID, 0)

    assert opened.answer.varbinds == [Varbind(NAME, "OctetString", b"a name")]
    assert read_message(ANSWERS[level]).flags & (AUTH | PRIV) == LEVELS[level][1]


def test_an_engine_id_full_of_zeros_is_not_taken_for_the_place_of_the_digest() -> None:
    pair = PAIRS["authNoPriv"]
    message = read_message(pair.seal.sealed(QUESTION, 99, 0))

    assert message.security.engine_id == pair.engine.id == b"\x80\x00\x1f\x88\x04" + bytes(16)
    assert any(message.security.digest)


def test_the_question_says_how_long_its_answer_may_be() -> None:
    """msgMaxSize, RFC 3412 section 6.3, after the message id."""
    pair = Pair(PLAIN)
    seal = Seal(
        Credential.model_validate(PLAIN),
        Keyring().keys(Credential.model_validate(PLAIN), b""),
        pair.engine,
        1232,
    )

    assert bytes.fromhex("020163 020204d0") in seal.sealed(QUESTION, 99, 0)


def test_nothing_of_the_question_can_be_read_where_it_is_encrypted() -> None:
    message = read_message(PAIRS["authPriv"].seal.sealed(QUESTION, 99, 0))

    with pytest.raises(WireError):
        read_pdu(read_scoped_pdu(message.body).pdu)


def test_no_two_questions_are_encrypted_alike() -> None:
    sealed = {PAIRS["authPriv"].seal.sealed(QUESTION, 99, 0) for _ in range(50)}

    assert len({read_message(one).security.salt for one in sealed}) == 50


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [
        ("no_security", "of another security level"),
        ("no_privacy", "of another security level"),
        ("wrong_digest", "digest is wrong"),
        ("no_digest", "digest is wrong"),
        ("other_user", "of another engine or user"),
        ("other_context", "in another context"),
        ("other_request", "to another question"),
        ("last_boots", "outside the engine's time window"),
    ],
)
def test_an_answer_that_may_not_be_believed_is_refused(misbehave: Misbehaviour, words: str) -> None:
    pair = Pair(SECRET)
    pair.agent.misbehave = misbehave

    with pytest.raises(RefusedAnswerError, match=words):
        pair.seal.opened(pair.answer(), REQUEST_ID, 0)


def test_a_user_without_a_password_believes_no_digest() -> None:
    message = read_message(ANSWERS["noAuthNoPriv"])
    signed = write_message(99, AUTH, message.security._replace(digest=b"x" * 12), message.body)

    with pytest.raises(RefusedAnswerError, match="digest is wrong"):
        PAIRS["noAuthNoPriv"].seal.opened(signed, REQUEST_ID, 0)


def test_privacy_without_authentication_is_no_message() -> None:
    message = read_message(ANSWERS["authPriv"])

    with pytest.raises(WireError, match="privacy without authentication"):
        read_message(write_message(99, PRIV, message.security, message.body))


@pytest.mark.parametrize("level", ["authNoPriv", "authPriv"])
def test_of_an_authentic_answer_no_octet_can_be_changed(level: str) -> None:
    """But for the flags and the parts of a report, which is anybody's word."""
    for at in range(len(ANSWERS[level])):
        for bit in range(8):
            datagram = bytearray(ANSWERS[level])
            datagram[at] ^= 1 << bit
            try:
                opened = PAIRS[level].seal.opened(bytes(datagram), REQUEST_ID, 0)
            except WireError:
                continue
            assert opened.is_report
            assert not opened.is_authentic


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(list(LEVELS)))
def test_a_mutated_answer_raises_nothing_but_a_wire_error(seed: int, level: str) -> None:
    dice = Random(seed)
    for _ in range(500):
        try:
            opened = PAIRS[level].seal.opened(mutated(dice, ANSWERS[level]), REQUEST_ID, 0)
        except WireError:
            continue
        assert opened.is_report or opened.answer.request_id == REQUEST_ID


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(LEVELS)))
def test_made_up_octets_raise_nothing_but_a_wire_error(datagram: bytes, level: str) -> None:
    with pytest.raises(WireError):
        PAIRS[level].seal.opened(datagram, REQUEST_ID, 0)


@pytest.mark.parametrize(
    ("boots", "time", "timely"),
    [
        (3, 1000, True),
        (3, 1000 + 60 - 150, True),  # RFC 3414 section 3.2, step 7 b
        (3, 1000 + 60 - 151, False),
        (3, 9000, True),
        (4, 0, True),
        (2, 9000, False),
        (MAX_BOOTS, 1, False),
    ],
)
def test_an_answer_is_timely_as_rfc_3414_says(boots: int, time: int, timely: bool) -> None:
    engine = Engine(b"\x80\x00\x1f\x88\x04", 3, 1000, seen_at=10, verified=True)

    assert engine.agrees(boots, time, now=70) is timely


def test_a_later_answer_sets_the_clock_and_an_earlier_one_does_not() -> None:
    engine = Engine(b"\x80\x00\x1f\x88\x04", 3, 1000, seen_at=10, verified=True)

    assert engine.agrees(3, 950, now=10)
    assert engine.clock(20) == (3, 1010)
    assert engine.agrees(3, 1200, now=20)
    assert engine.clock(21) == (3, 1201)


def test_what_nobody_signed_is_put_right_by_the_first_who_signs() -> None:
    engine = Engine(b"\x80\x00\x1f\x88\x04", 2_000_000_000, 77, seen_at=10)

    assert engine.agrees(3, 1000, now=10)
    assert engine.clock(15) == (3, 1005)
