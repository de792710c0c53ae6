"""The contracts: ids, bounds, and golden files that must load for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.decode import MESSAGES, MessageError, decode
from shared.message import MAX_MESSAGE_BYTES, Message
from shared.messages import DeviceFound, DeviceIdentity, MeterRead, ReadFailed, SnmpTarget, order_id
from shared.scope import Scope, SegmentRule

GOLDEN = Path(__file__).parents[2] / "golden"
ROUND = UUID("6f1f9d1e-5f5e-4b3e-9d83-0b7b5f0a1c11")
TARGET = SnmpTarget(snmp="10.0.0.7")
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def a_read(**changes: object) -> MeterRead:
    said: dict[str, object] = {
        "order": order_id(ROUND, TARGET),
        "round": ROUND,
        "agent": "office",
        "target": TARGET,
        "taken_at": NOON,
        "device": DeviceIdentity(make="Kyocera", serial="VB1234"),
        "profile": "rfc3805@1",
        "meters": {"total": 424405},
        "varbinds": {"1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 424405)},
    }
    return MeterRead.model_validate({**said, **changes})


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_golden_file_of_each_message_loads_and_gives_itself_back(key: str) -> None:
    body = (GOLDEN / f"{key}.json").read_bytes().strip()

    message = decode(key, body)

    assert decode(key, message.to_json()) == message
    assert type(message) is MESSAGES[key]


def test_an_order_is_the_same_whoever_computes_it() -> None:
    assert order_id(ROUND, SnmpTarget(snmp="10.0.0.7", port=161)) == order_id(ROUND, TARGET)
    assert order_id(ROUND, SnmpTarget(snmp="10.0.0.8")) != order_id(ROUND, TARGET)
    assert str(order_id(ROUND, TARGET)) == "b59c1cee-c802-5800-9c4a-66d67a699406"


def test_an_order_that_is_not_its_targets_is_refused() -> None:
    with pytest.raises(ValueError, match="order is not the one"):
        DeviceFound(order=ROUND, round=ROUND, target=TARGET, found_by="sweep", read_before=NOON)


def test_a_read_and_a_failure_of_one_order_have_their_own_ids() -> None:
    order = order_id(ROUND, TARGET)
    failed = ReadFailed(
        order=order,
        round=ROUND,
        agent="office",
        target=TARGET,
        failed_at=NOON,
        outcome="no_answer",
        reason="no answer",
    )

    assert failed.id != a_read().id
    assert a_read(meters={"total": 1}).id == a_read().id


def test_a_read_without_meters_says_why() -> None:
    with pytest.raises(ValueError, match="no_meters_because"):
        a_read(meters={})
    assert a_read(meters={}, no_meters_because="the device counts nothing").meters == {}


@pytest.mark.parametrize("name", ["meters", "native", "sources", "units", "varbinds", "attributes"])
def test_of_a_map_full_of_faults_only_the_first_is_written_up(name: str) -> None:
    """Thousands cost a hundred times as much as they do to send."""
    with pytest.raises(ValidationError) as refused:
        a_read(**{name: {f"No {n}": [""] * 3 for n in range(100)}})

    assert refused.value.error_count() == 1


def test_of_a_list_of_sources_full_of_faults_only_the_first_is_written_up() -> None:
    with pytest.raises(ValidationError) as refused:
        a_read(sources={"total": [""] * 100})

    assert refused.value.error_count() == 2  # it is no OID, and no attribute's name


BODY = a_read().to_json()
HOSTILE = {
    "not JSON": (b"{", "Invalid JSON"),
    "a list": (b"[]", "object"),
    "unknown field": (BODY.replace(b'"agent"', b'"spy":1,"agent"'), "spy: Extra inputs"),
    "over int64": (BODY.replace(b":424405", b":9223372036854775808"), "meters.total"),
    "not finite": (BODY.replace(b":424405", b":1e400"), "meters.total"),
    "negative": (BODY.replace(b":424405", b":-1"), "meters.total"),
    "a fraction": (BODY.replace(b":424405", b":1.0"), "meters.total"),
    "same key twice": (BODY.replace(b'"total":', b'"total":1,"total":'), "same key twice"),
    "NUL": (BODY.replace(b"VB1234", rb"VB\u0000"), "NUL"),
    "lone surrogate": (BODY.replace(b"VB1234", rb"VB\ud800"), "JSON"),
    "not UTF-8": (BODY.replace(b"VB1234", b"VB\xff\xfe"), "JSON"),
    "deep": (b'{"order":' + b"[" * 100_000, "JSON"),
    "too large": (BODY + b" " * MAX_MESSAGE_BYTES, "at most"),
    "time in seconds, or perhaps milliseconds": (
        BODY.replace(b'"2026-11-02T12:00:00Z"', b"1793491200"),
        "taken_at",
    ),
    "time in digits": (BODY.replace(b"2026-11-02T12:00:00Z", b"1793491200"), "taken_at"),
    "naive time": (BODY.replace(b"12:00:00Z", b"12:00:00"), "taken_at"),
}


@pytest.mark.parametrize(("body", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused_in_one_line(body: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason) as refused:
        decode("meter.read.v1", body)

    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 300


@given(st.binary(max_size=300), st.sampled_from([*MESSAGES, "nothing.v9"]))
def test_no_body_raises_anything_but_a_message_error(body: bytes, key: str) -> None:
    try:
        message = decode(key, body)
    except MessageError:
        return
    assert isinstance(message, Message)


@given(st.text(max_size=1100))
def test_any_text_is_stored_as_it_is_or_refused(serial: str) -> None:
    try:
        read = a_read(device={"serial": serial})
    except ValueError:
        assert "\x00" in serial or len(serial) > 1024
        return
    decoded = decode(read.routing_key, read.to_json())
    assert isinstance(decoded, MeterRead)
    assert decoded.device.serial == serial


def test_a_scope_that_uses_nothing_new_says_nothing_new() -> None:
    """A site of an older version refuses a field that it does not know."""
    plain = Scope(version=1, author="ops", changed_at=NOON)
    ruled = plain.model_copy(update={"rules": [SegmentRule(range="10.0.0.0/24", broadcast=True)]})

    assert {"rules", "spoolers", "silent_after"}.isdisjoint(json.loads(plain.to_json()))
    assert decode(Scope.routing_key, ruled.to_json()) == ruled
