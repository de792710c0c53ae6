from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.cut import CutError, elements, members
from services.ingest.envelope import BatchError, TooLargeError, parse_batch
from services.ingest.told import Began
from tests.unit.ingest.batches import batch, raw_line

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_a_body_is_cut_out_byte_for_byte() -> None:
    body = b'{"b" : 1.50,  "a":"\\u00e9\\/", "a":[ ]}'

    [line] = parse_batch(batch([raw_line(7, "meter.read.v1", body)]), 500, NOW).lines

    assert (line.n, line.type, line.body) == (7, "meter.read.v1", body)


@pytest.mark.parametrize(
    "bad",
    [
        b'"\\ud800"',
        b'"\xff\xfe"',
        b"[" * 100_000 + b"]" * 100_000,
        b"nonsense",
        b"1e400",
        b'{"a":1,"a":2}',
        b"",
    ],
    ids=["surrogate", "utf-8", "depth", "nonsense", "1e400", "twice", "empty"],
)
def test_a_body_that_is_no_json_costs_only_itself(bad: bytes) -> None:
    good = b'{"a":"]}\\"[{,"}'
    lines = [raw_line(1, "a", good), raw_line(2, "a", bad), raw_line(3, "a", good)]

    cut = parse_batch(batch(lines), 500, NOW).lines

    assert [line.n for line in cut] == [1, 2, 3]
    assert [line.body for line in cut] == [good, bad, good]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\x00",
        batch([b"{}"]),
        batch([b'{"n":0,"type":"a","body":1}']),
        batch([b'{"n":9223372036854775807,"type":"a","body":1}']),
        batch([b'{"n":"1","type":"a","body":1}']),
        batch([b'{"n":1,"type":"a","body":"no end}']),
        batch([b'{"n":1,"type":"a","body":{}}']).replace(b'"spool":"', b'"spool":"x'),
        batch([]).replace(b'"first_unsent":1', b'"first_unsent":0'),
        batch([]).replace(b"+00:00", b""),
    ],
)
def test_what_no_number_can_name_refuses_the_batch_in_words(body: bytes) -> None:
    with pytest.raises(BatchError) as refused:
        parse_batch(body, 500, NOW)

    assert 0 < len(str(refused.value)) < 300


def test_more_messages_than_the_limit_are_too_large() -> None:
    lines = [raw_line(n, "a", b"{}") for n in range(1, 502)]

    with pytest.raises(TooLargeError, match="501 messages; at most 500"):
        parse_batch(batch(lines), 500, NOW)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), _JSON), st.lists(_JSON))
def test_cutting_agrees_with_a_parser(fields: dict[str, object], values: list[object]) -> None:
    cut = members(json.dumps(fields).encode())

    assert {json.loads(b'"%s"' % name): json.loads(text) for name, text in cut.items()} == fields
    assert [json.loads(text) for text in elements(json.dumps(values).encode())] == values


@given(st.binary())
def test_cutting_anything_ends_in_pieces_or_in_a_cut_error(text: bytes) -> None:
    for cut in (members, elements):
        try:
            cut(text)
        except CutError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_refused_as_one(body: bytes) -> None:
    with pytest.raises(BatchError):
        parse_batch(body, 500, NOW)


def test_what_is_told_beside_the_messages_is_read() -> None:
    before = uuid4()
    began = b'{"before":"%s","why":"lost","carried":[[3,4],[7,7]],"more":1}' % str(before).encode()
    one = raw_line(1, "a", b"{}", stored_at=b'"2026-11-20T11:00:00Z"', age_s=b"3600.5")

    cut = parse_batch(batch([one], began=began, status=b'{"version":"1"}'), 500, NOW)

    assert cut.began == Began(before, "lost", [(3, 4), (7, 7)])
    assert cut.status == '{"version":"1"}'
    assert (cut.lines[0].stored_at, cut.lines[0].age_s) == (NOW - timedelta(hours=1), 3600.5)


_HOSTILE = [
    b'"text"',
    b"[]",
    b"-1",
    b"1e400",
    b'"\\ud800"',
    b'"\xff"',
    b'{"before":"x","why":"new"}',
    b'{"before":null,"why":"bored"}',
    b'{"before":null,"why":"new","carried":[[2,1]]}',
    b'{"before":null,"why":"new","carried":[%s[1,1]]}' % (b"[1,1]," * 1000),
    b'{"a":"%s"}' % (b"x" * 4096),
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("bad", _HOSTILE, ids=range(len(_HOSTILE)))
def test_what_is_told_wrongly_beside_the_messages_costs_none(bad: bytes) -> None:
    status = b"[]" if bad.startswith(b'{"before') else bad
    lines = [raw_line(1, "a", b"{}", stored_at=bad, age_s=bad), raw_line(2, "a", b"{}")]

    cut = parse_batch(batch(lines, began=bad, status=status), 500, NOW)

    assert (cut.began, cut.status) == (None, None)
    assert [(it.n, it.type, it.body) for it in cut.lines] == [(1, "a", b"{}"), (2, "a", b"{}")]
    assert (cut.lines[0].stored_at, cut.lines[0].age_s) == (None, None)


@given(_JSON, _JSON)
def test_no_value_beside_the_messages_costs_one(beside: object, within: object) -> None:
    value, other = json.dumps(beside).encode(), json.dumps(within).encode()
    one = raw_line(1, "a", b"{}", stored_at=other, age_s=other)

    assert parse_batch(batch([one], began=value, status=value), 500, NOW).lines[0].body == b"{}"


@pytest.mark.parametrize(
    ("written", "number"), [("7.0", 7), ("7e2", 700), ("9223372036854775806.0", 2**63 - 2)]
)
def test_a_whole_number_may_be_written_as_a_fraction(written: str, number: int) -> None:
    body = json.dumps(
        {"spool": str(UUID(int=1)), "first_unsent": 1, "last": 1, "sent_at": NOW.isoformat()}
    )[:-1].replace('"last": 1', f'"last": {written}')
    line = f'{{"n": {written}, "type": "a", "body": {{}}}}'

    cut = parse_batch(f'{body}, "messages": [{line}]}}'.encode(), 500, NOW)

    assert (cut.last, cut.lines[0].n) == (number, number)


@pytest.mark.parametrize(
    "written",
    [
        *("7.5", "1e999999999", "1e99999999999999999999", "NaN", "true", '"7"', "9" * 60, "1e30"),
        *("01", "-01", "1_0", "+7", "7.", ".7e1", "1e", "\u0667"),
    ],
)
def test_what_is_no_whole_number_refuses_the_batch(written: str) -> None:
    body = json.dumps(
        {"spool": str(UUID(int=1)), "first_unsent": 1, "sent_at": NOW.isoformat(), "messages": []}
    )[:-1]

    with pytest.raises(BatchError):
        parse_batch(f'{body}, "last": {written}}}'.encode(), 500, NOW)
