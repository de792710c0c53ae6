"""That a key stands twice in an object is always found, however the message is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.decode import MessageError, _no_key_twice, decode
from shared.messages import DeviceIdentity, IppTarget, MeterRead, RoundFinished
from tests.unit.ingest.batches import meter_read, round_finished

_READ = TypeAdapter(MeterRead)
# what may be mistaken for the end of a key, or hide one
_TEXTS = st.sampled_from(['":', '" :', ': "', '":1,"', " x", ":x", "\\", '\\":', "\n", "total", ""])


@st.composite
def _written(draw: st.DrawFn, value: Any) -> str:
    """`value` as JSON, with members given twice and spaces where they may be."""
    space = draw(st.sampled_from(["", "", "", " ", "\n", "\t", "\r"]))
    if isinstance(value, dict):
        parts = [f"{_key(draw, key)}:{draw(_written(it))}" for key, it in value.items()]
        if value and draw(st.integers(0, 3)) == 0:
            key, it = draw(st.sampled_from(sorted(value.items(), key=str)))
            parts.append(f"{_key(draw, key)}{space}:{json.dumps(it)}")
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(draw(_written(it)) for it in value) + "]"
    return json.dumps(value)


def _key(draw: st.DrawFn, key: str) -> str:
    if key and draw(st.integers(0, 30)) == 0:
        return f'"\\u{ord(key[0]):04x}{json.dumps(key[1:])[1:]}'
    return json.dumps(key)


def _twice(text: str) -> bool:
    found = False

    def look(pairs: Sequence[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len(dict(pairs)) != len(pairs)

    json.loads(text, object_pairs_hook=look)
    return found


@settings(max_examples=25)
@given(st.data(), _TEXTS, _TEXTS, st.booleans())
def test_a_key_twice_is_found_as_by_looking_at_each_object(
    data: st.DataObject, model: str, note: str, plain: bool
) -> None:
    read = meter_read(
        target=IppTarget(ipp=f"ipp://{model}"),
        device=DeviceIdentity(model=model, serial="VB00001"),
        notes=[note],
        units={"scan": model} if plain else {},
    )
    text = data.draw(_written(json.loads(read.to_json())))
    try:
        message = _READ.validate_json(text)
    except ValidationError:
        return
    twice = _twice(text)
    assert not (twice and _no_key_twice(text.encode(), message))
    if twice:
        with pytest.raises(MessageError, match="same key twice"):
            decode(MeterRead.routing_key, text.encode())
    else:
        assert decode(MeterRead.routing_key, text.encode()) == message


@pytest.mark.parametrize("space", ["", " ", "\t", "\n", "\r", " \n"])
@pytest.mark.parametrize("member", ["total", "serial", "index", "port", "device"])
def test_a_key_twice_is_refused_whatever_stands_before_its_colon(space: str, member: str) -> None:
    before, rest = meter_read().to_json().decode().split(f'"{member}":', maxsplit=1)
    value, _ = json.JSONDecoder().raw_decode(rest)
    body = f'{before}"{member}"{space}:{json.dumps(value)},"{member}":{rest}'.encode()

    with pytest.raises(MessageError, match="same key twice"):
        decode(MeterRead.routing_key, body)


def test_what_a_poller_writes_needs_no_second_look() -> None:
    read, done = meter_read(), round_finished(meter_read().round, [1, 2])

    assert _no_key_twice(read.to_json(), MeterRead.model_validate_json(read.to_json()))
    assert _no_key_twice(done.to_json(), RoundFinished.model_validate_json(done.to_json()))
