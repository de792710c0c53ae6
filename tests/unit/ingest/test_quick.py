"""What the quick decoder takes is what pydantic takes, and says the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from bench.messages import office_reads, reads
from services.ingest.quick import QuickRead, decode_quickly
from shared.decode import MessageError, decode
from shared.fields import Address, Instant
from shared.message import MAX_MESSAGE_BYTES, Part
from shared.messages import (
    Alert,
    DeviceIdentity,
    DeviceStatus,
    IppTarget,
    MeterRead,
    SnmpTarget,
    SpooledQueue,
    SpooledTarget,
    WithheldTarget,
)
from shared.store.reports import sources_id
from tests.unit.ingest.batches import LIFE_COUNT, NOON, meter_read

ROUND = UUID("6f1f9d1e-5f5e-4b3e-9d83-0b7b5f0a1c11")
GOLDEN = Path(__file__).parents[2] / "golden" / "meter.read.v1.json"
FULL = meter_read(
    round_id=ROUND,
    site="hq",
    device=DeviceIdentity(make="Kyocera", model='"M2": é\n😀', serial="VB00001"),
    notes=["a row was left out"],
    units={"sheets": "sheets"},
    native={"toner_pages": 3},
    attributes={"printer-impressions-completed": ("integer", 7)},
    status=DeviceStatus(device="running", errors=["low toner"], uptime_s=5),
    alerts=[Alert(index="1.1", code=1104)],
)
BODY = FULL.to_json()


def taken(body: bytes) -> bool:
    """Whether it is; then it says what pydantic says, in the same types."""
    quick = decode_quickly(body)
    if quick is None:
        return False
    read = decode(MeterRead.routing_key, body)
    assert isinstance(read, MeterRead)
    for name in (*QuickRead.__struct_fields__, "routing_key"):
        if name not in {"device", "target", "sources_id"}:
            mine, pydantics = getattr(quick, name), getattr(read, name)
            assert (type(mine), mine) == (type(pydantics), pydantics)
    assert quick.taken_at.tzinfo is UTC
    assert quick.sources_id == sources_id(read.sources)
    assert quick.target.key == read.target.key
    assert isinstance(quick.target, SpooledTarget) == isinstance(read.target, SpooledTarget)
    assert {name: getattr(quick.device, name) for name in DeviceIdentity.model_fields} == dict(
        read.device
    )
    return True


# -- ordinary reads --------------------------------------------------------------------------

SPOOLED = SpooledTarget(spooled=SpooledQueue(host="pc", queue="q", port_name="USB1", kind="usb"))
ORDINARY = {
    "golden": GOLDEN.read_bytes().strip(),
    "office": office_reads([3], ROUND, NOON)[0].to_json(),
    "large": reads(1)[0].to_json(),
    "every field": BODY,
    "no field that need not be": FULL.model_dump_json(exclude_defaults=True).encode(),
    "no meters": meter_read(meters={}, no_meters_because="it counts nothing").to_json(),
    "withheld": meter_read(target=WithheldTarget(withheld="t-1f")).to_json(),
    "ipp": meter_read(target=IppTarget(ipp="ipp://10.0.0.7/ipp/print")).to_json(),
    "spooled": meter_read(target=SPOOLED).to_json(),
    "another port": meter_read(target=SnmpTarget(snmp="10.0.0.7", port=65535)).to_json(),
    "IPv6": meter_read(target=SnmpTarget(snmp="2001:db8::7")).to_json(),
    "milliseconds": meter_read(taken_at=NOON.replace(microsecond=137_000)).to_json(),
    "sources of many": meter_read(
        sources={f"m{n}": [LIFE_COUNT] for n in range(300)}, varbinds={}
    ).to_json(),
}


@pytest.mark.parametrize("body", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_read_is_taken_and_says_the_same(body: bytes) -> None:
    assert taken(body)
    assert taken(body)  # and so it is with what was remembered of it


def _of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field, from its annotation."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == Instant:
        return st.datetimes(timezones=st.just(UTC))
    if annotation == Address:
        return st.ip_addresses().map(str)
    if origin is Annotated:
        return _bounded(args[0], args[1:])
    if origin in (Union, UnionType):
        return st.one_of(*map(_of, args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is dict:
        return st.dictionaries(_of(args[0]), _of(args[1]), max_size=3)
    if origin is list:
        return st.lists(_of(args[0]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(_of, args))
    if annotation in (UUID, NoneType):
        return st.uuids() if annotation is UUID else st.none()
    assert issubclass(annotation, Part)
    return _of_part(annotation)


def _bounded(kind: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    bounds: dict[str, Any] = {}
    for one in metadata:
        within = one.metadata if isinstance(one, FieldInfo) else [one]
        for it in within:
            said = {field.name: getattr(it, field.name) for field in dataclasses.fields(it)}
            bounds |= {name: value for name, value in said.items() if value is not None}
    if kind is str and "x00" not in bounds["pattern"]:
        return st.from_regex(bounds["pattern"].replace("$", r"\Z"), fullmatch=True)
    if kind is str:
        letters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
        return st.text(letters, max_size=8).filter(lambda text: "u0000" not in text)
    if kind is int:
        return st.integers(bounds["ge"], bounds["le"])
    if kind is float:
        # pydantic writes smaller ones as 1e-05, msgspec as 0.00001
        return st.floats(0.001, bounds["le"]) | st.just(0.0)
    return _of(kind)


def _of_part(kind: type[Part]) -> st.SearchStrategy[Any]:
    fields = {name: _of(it.rebuild_annotation()) for name, it in kind.model_fields.items()}
    needed = {name: fields.pop(name) for name, it in kind.model_fields.items() if it.is_required()}
    return st.fixed_dictionaries(needed, optional=fields)


READS = (
    _of_part(MeterRead)
    .filter(lambda said: said["meters"] or said.get("no_meters_because"))
    .map(MeterRead.model_validate)
)


@settings(max_examples=150, deadline=None)
@given(READS, st.booleans())
def test_any_read_that_a_poller_can_write_is_taken_and_says_the_same(
    read: MeterRead, whole: bool
) -> None:
    assert taken(read.model_dump_json(exclude_unset=not whole).encode())


# -- what must not be taken otherwise than by pydantic -----------------------------------------

Path_ = tuple[str | int, ...]


def _places(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield path, value
    if isinstance(value, dict | list):
        for step, it in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(it, (*path, step))


PLACES = dict(_places(json.loads(BODY)))


def _with(path: Path_, value: Any) -> str:
    """BODY with that at `path`."""
    holder = [json.loads(BODY)]
    at: Any = holder
    steps = (0, *path)
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = value
    return json.dumps(holder[0], ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("spelled", ['"{}{}":', '"{}{}" :', '"{}{}"\n:', r'"\u{:04x}{}":'])
@pytest.mark.parametrize("path", [path for path, it in PLACES.items() if it and type(it) is dict])
def test_a_key_twice_is_left_to_pydantic(path: Path_, spelled: str) -> None:
    for key, it in PLACES[path].items():
        first = ord(key[0]) if "u" in spelled else key[0]
        rest = {"~": it}
        for before, after in ((rest, {}), ({}, rest)):
            twice = _with(path, before | PLACES[path] | after)
            body = twice.replace('"~":', spelled.format(first, key[1:])).encode()
            with pytest.raises(MessageError, match="same key twice"):
                decode(MeterRead.routing_key, body)
            assert not taken(body)


def test_an_id_of_its_own_is_left_to_pydantic() -> None:
    assert not taken(_with((), PLACES[()] | {"id": str(ROUND)}).encode())


VALUES = [
    *("7", "7.0", "1e2", "-0", "-0.0", "01", "-1", "0", "2", "100.00000000000001", "1e400", "1e-7"),
    *(str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), str(2**64), "9" * 5000),
    *(
        "true",
        "false",
        "null",
        "NaN",
        "Infinity",
        "[]",
        "{}",
        "[[]]",
        '{"a":1}',
        '""',
        '" "',
        '"7"',
    ),
    *(r'"\u0000"', r'"\\u0000"', r'"\ud800"', r'"\ud83d\ude00"', r'"A\n"', r'"a\n"', r'"\/"'),
    *('"1.3"', r'"1.3\n"', '"1.03"', '"3.1"', '"life"', f'"{"x" * 63}"', f'"{"x" * 64}"'),
    *(f'"{"😀" * 1024}"', f'"{"😀" * 1025}"', f'"{"x" * 8192}"', f'"{"x" * 8193}"'),
    *(
        f'"{ROUND}"',
        f'"{ROUND.hex}"',
        f'"{str(ROUND).upper()}"',
        f'"{{{ROUND}}}"',
        f'"{ROUND.urn}"',
    ),
    *('["Counter32",1]', '["Counter32",1.0]', '["Counter32"]', '["",1]', '["a\\n","x"]'),
    *('{"snmp":"10.0.0.07","port":161}', '{"snmp":"10.0.0.7"}', '{"snmp":"10.0.0.256","port":1}'),
    *('{"snmp":"10.0.0.7","port":0}', '{"snmp":"10.0.0.7","port":65536}', '{"withheld":"a\\n"}'),
    *('{"snmp":"2001:DB8::7","port":161}', '{"snmp":"10.0.0.7","port":161,"port":161}'),
    *('{"ipp":"a","ipp":"a"}', '{"ipp":"a","withheld":"a"}', '{"ipp":"\\u0041"}', '{"ipp": "a"}'),
    *(f'["{letter}"]' for letter in ("x", "1.3", "Total", "a\\n")),
    *(f"[{','.join(['1'] * n)}]" for n in (16, 17, 32, 33, 50, 51)),
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_anywhere_is_taken_as_by_pydantic_or_left_to_it(value: str) -> None:
    for path in PLACES:
        taken(_with(path, "~").replace('"~"', value).encode())


@pytest.mark.parametrize(
    "key", ["Total", "", "a\n", "1.3.6.1\n", "1.3", "1.03.6", "x" * 63, "x" * 64, "x/y", "\u00e9"]
)
def test_any_key_anywhere_is_taken_as_by_pydantic_or_left_to_it(key: str) -> None:
    for path, it in PLACES.items():
        for value in it.values() if isinstance(it, dict) else ():
            taken(_with(path, {key: value}).encode())
            taken(_with(path, it | {key: value}).encode())


def test_more_members_than_a_read_may_have_are_left_to_pydantic() -> None:
    for name, most in {"meters": 500, "native": 500, "varbinds": 2000, "attributes": 200}.items():
        [member] = list(PLACES[(name,)].values())[:1]
        for many in (most, most + 1):
            dotted = "1." if name == "varbinds" else "m"
            body = _with((name,), {f"{dotted}{n}": member for n in range(many)})
            assert taken(body.encode()) == (many == most)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_read_cut_and_pasted_is_taken_as_by_pydantic_or_left_to_it(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([BODY, *ORDINARY.values()]))
    places = st.integers(0, len(body))
    for _ in range(data.draw(st.integers(1, 3))):
        start, end, at, after = (data.draw(places) for _ in range(4))
        paste = st.sampled_from([b"", b" ", b"\n", b'"', b"\\", b":", b",", b"0", body[start:end]])
        body = body[:at] + data.draw(paste | st.binary(max_size=3)) + body[max(at, after) :]
    taken(body)


@settings(deadline=None)
@given(
    st.datetimes(timezones=st.timezones() | st.just(UTC)).map(datetime.isoformat)
    | st.from_regex(
        r"\d{4}-[01]\d-[0-3]\d[Tt _][0-2]\d:[0-6]\d(:[0-6]\d([.,]\d{1,12})?)?(Z|z|[+-]\d\d:?\d\d)?",
        fullmatch=True,
    )
)
@example("0001-01-01T00:00:00Z")
@example("0000-01-01T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59.999999Z")
@example("9999-12-31T23:59:59.9999999Z")
@example("9999-12-31T23:59:59-00:01")
@example("2026-11-20T12:00:00+00:00")
@example("2026-11-20T12:00:00.1234567Z")
@example("2026-11-20T23:59:60Z")
@example("2026-11-20T24:00:00Z")
def test_an_instant_is_pydantics_or_left_to_it(instant: str) -> None:
    taken(_with(("taken_at",), instant).encode())


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"order":' * 100_000)
@example(b'{"target":' + b"[" * 100_000)
@example(b'{"target":' + b'{"a":' * 100_000)
@example(b'{"sources":' + b"[" * 100_000)
@example(b"\xef\xbb\xbf" + BODY)
@example(BODY + b"\0")
@example(BODY.replace(b"VB00001", b"\xed\xa0\x80"))
@example(BODY + b" " * MAX_MESSAGE_BYTES)
def test_what_is_no_read_is_left_to_pydantic(body: bytes) -> None:
    assert decode_quickly(body) is None


def test_a_body_over_the_limit_is_left_to_pydantic() -> None:
    said = json.loads(BODY) | {"sources": {f"m{n}": [LIFE_COUNT] * 100 for n in range(400)}}

    assert not taken(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
