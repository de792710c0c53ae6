from __future__ import annotations

import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.uploader.batch import (
    BYTES_AROUND,
    BYTES_BEFORE,
    AnswerError,
    Answers,
    envelope,
    one_line,
    read_answers,
)
from services.uploader.boot import SinceBoot
from services.uploader.numbering import at
from services.uploader.spool import Outgoing, Verdict, Waiting
from tests.unit.uploader.messages import NOW

_SPOOL = UUID(int=7)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["n", "status", "reason", "results", "last"]) | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)
_RESULT = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-2, 6) | _JSON,
        "status": st.sampled_from(["accepted", "duplicate", "rejected", "lost"]) | _JSON,
        "reason": _JSON,
    },
)


def made_of(*messages: Waiting, **changes: Any) -> bytes:
    outgoing = Outgoing(0, _SPOOL, 5, 6, None, messages)._replace(**changes)
    return envelope(outgoing, sent_at=NOW, age_s=age_s, status=b'{"waiting":3}')[0]


def age_s(stored: SinceBoot | None) -> float | None:
    return 1000 - stored.s if stored else None


def test_bodies_stand_in_the_envelope_byte_for_byte() -> None:
    bodies = [b'{"b": 1e400,  "a":"\\u00fc"}', '{"ü":"“”"}'.encode()]
    made = made_of(
        *(Waiting(n, "meter.read.v1", body, "t") for n, body in enumerate(bodies, start=5))
    )
    assert all(b'"body":' + body + b"}" in made for body in bodies)
    parsed = json.loads(made)
    assert parsed["spool"] == str(_SPOOL)
    assert (parsed["first_unsent"], parsed["last"]) == (5, 6)
    assert parsed["sent_at"] == "2026-11-02T08:00:00.000+00:00"
    assert [(each["n"], each["type"]) for each in parsed["messages"]] == [
        (5, "meter.read.v1"),
        (6, "meter.read.v1"),
    ]


def test_what_stands_around_a_body_is_counted_with_room_to_spare() -> None:
    longest = Waiting(2**63 - 1, "segments.listed.v1", b"{}", at(NOW), SinceBoot("this boot", -1e9))
    carried = [[10**18, 10**18]] * 1000
    began = {"before": str(_SPOOL), "why": "restored", "carried": carried}
    many = made_of(*[longest] * 500, began=json.dumps(began))
    assert json.loads(many)["messages"][0]["age_s"] > 1e9
    assert len(many) + 4096 < 500 * (BYTES_AROUND + len(longest.body)) + BYTES_BEFORE
    assert len(gzip.compress(many)) < len(many)


def test_an_empty_batch_is_an_envelope_too() -> None:
    made = json.loads(made_of(first_unsent=4, last=3))
    assert (made["first_unsent"], made["last"], made["messages"]) == (4, 3, [])


def test_a_message_says_when_it_was_stored_and_how_long_ago() -> None:
    stored = ("b", b"{}", at(NOW))
    made = made_of(Waiting(1, *stored, SinceBoot("this boot", 400.0)), Waiting(2, *stored))
    told = json.loads(made)["messages"]
    assert [each.get("age_s") for each in told] == [600.0, None]
    assert {each["stored_at"] for each in told} == {"2026-11-02T08:00:00.000+00:00"}


def test_what_stood_around_the_messages_is_kept_as_json_of_its_own() -> None:
    outgoing = Outgoing(0, _SPOOL, 1, 0, '{"why":"lost"}', [])
    _, around = envelope(outgoing, sent_at=NOW, age_s=age_s, status=b"{}")
    assert json.loads(around)["began"] == {"why": "lost"}
    assert "messages" not in json.loads(around)


def answers(*results: object, last: object = 3, sent: tuple[int, ...] = (1, 2, 3)) -> Answers:
    return read_answers(json.dumps({"results": results, "last": last}).encode(), frozenset(sent))


def test_accepted_and_duplicate_are_committed_and_rejected_keeps_its_reason() -> None:
    assert answers(
        {"n": 1, "status": "accepted"},
        {"n": 2, "status": "duplicate", "reason": None},
        {"n": 3, "status": "rejected", "reason": "serial: too long"},
    ) == (
        [
            Verdict(1, "committed", None),
            Verdict(2, "committed", None),
            Verdict(3, "rejected", "serial: too long"),
        ],
        3,
        None,
        False,
    )


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-11-02T08:00:00Z", NOW),
        ("2026-11-02T09:00:00+01:00", NOW),
        ("2026-11-02T08:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-03T00:00:00Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("soon", None),
        (1793606400, None),
    ],
)
def test_the_hub_s_clock_is_read_where_it_is_an_instant(said: object, read: object) -> None:
    body = json.dumps({"results": [], "received_at": said, "renumber": "yes"}).encode()
    assert read_answers(body, frozenset()) == ([], None, read, False)


@pytest.mark.parametrize(
    "result",
    [
        {"n": 9, "status": "accepted"},
        {"n": True, "status": "accepted"},
        {"n": "1", "status": "accepted"},
        {"n": 1.0, "status": "accepted"},
        {"n": 1, "status": "lost"},
        {"n": 1},
        ["accepted", 1],
        None,
    ],
)
def test_a_result_that_does_not_fit_counts_as_not_given(result: object) -> None:
    assert answers(result, {"n": 2, "status": "accepted"}).verdicts == [
        Verdict(2, "committed", None)
    ]


def test_a_number_answered_in_two_ways_counts_as_not_answered() -> None:
    contradiction = ({"n": 1, "status": "accepted"}, {"n": 1, "status": "rejected"})
    assert answers(*contradiction).verdicts == []
    assert answers(*reversed(contradiction)).verdicts == []


@pytest.mark.parametrize("last", [None, "4", True, 2**63, 1.5, [], {}])
def test_a_last_that_is_no_number_is_not_said(last: object) -> None:
    assert answers(last=last).last is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b"[]",
        b"{}",
        b'{"results": {}}',
        b'{"results": null}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"results": [' + b"9" * 10_000 + b"]}",
    ],
)
def test_what_is_no_answer_at_all_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(AnswerError):
        read_answers(body, frozenset({1}))


def test_a_reason_cannot_carry_control_characters_or_a_lone_surrogate() -> None:
    said = read_answers(
        b'{"results": [{"n": 1, "status": "rejected", "reason": "a\\u001b[2Jb\\ud800\\nc"}]}',
        frozenset({1}),
    )
    assert said.verdicts == [Verdict(1, "rejected", "a?[2Jb??c")]
    assert len(one_line("x" * 10_000)) == 500


@given(st.lists(_RESULT | _JSON, max_size=8), _JSON)
def test_no_answer_marks_a_number_that_was_not_sent(results: list[object], last: object) -> None:
    body = json.dumps({"results": results, "last": last}).encode()
    verdicts, said, _, _ = read_answers(body, frozenset({1, 2, 3}))
    marked = [verdict.n for verdict in verdicts]
    assert set(marked) <= {1, 2, 3}
    assert len(set(marked)) == len(marked)
    assert said is None or type(said) is int


@given(_JSON)
def test_an_answer_of_any_shape_is_read_or_refused(answer: object) -> None:
    try:
        verdicts = read_answers(json.dumps(answer).encode(), frozenset({1})).verdicts
    except AnswerError:
        return
    assert {verdict.n for verdict in verdicts} <= {1}


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(AnswerError):
        read_answers(body, frozenset({1}))
