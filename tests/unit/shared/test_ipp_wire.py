"""IPP as octets: RFC 8010's own example, and whatever else may come."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ipp.wire import (
    CUPS_GET_PRINTERS,
    GET_PRINTER_ATTRIBUTES,
    MAX_GROUPS,
    Answer,
    Attributes,
    MalformedIppError,
    Question,
    Value,
    answer_of,
)
from tests.unit.poller.ipp_answers import (
    KEYWORD,
    NO_VALUE,
    TEXT,
    UNKNOWN,
    Tagged,
    answer,
    collection,
    integer,
    keywords,
    text,
)

HEAD = struct.pack(">BBHI", 2, 0, 0, 1)


def first(said: Answer) -> Attributes:
    [printer] = said.printers
    return printer


def test_a_question_is_what_rfc_8010_says() -> None:
    asked = Question(GET_PRINTER_ATTRIBUTES, ["printer-state", "marker-names"]).octets(
        "ipp://p/ipp/print", (1, 1)
    )

    assert asked == (
        b"\x01\x01\x00\x0b\x00\x00\x00\x01\x01"
        b"\x47\x00\x12attributes-charset\x00\x05utf-8"
        b"\x48\x00\x1battributes-natural-language\x00\x02en"
        b"\x45\x00\x0bprinter-uri\x00\x11ipp://p/ipp/print"
        b"\x44\x00\x14requested-attributes\x00\x0dprinter-state"
        b"\x44\x00\x00\x00\x0cmarker-names\x03"
    )


def test_values_come_with_their_syntax_and_lists_whole() -> None:
    said = answer_of(
        answer(
            {
                "a": integer(-7),
                "b": keywords("one", "two"),
                "c": UNKNOWN,
                "d": NO_VALUE,
                "e": (0x35, b"\x00\x02en\x00\x02hi"),
            },
            status=1,
            message="as asked",
        )
    )

    assert (said.status, said.message) == (1, b"as asked")
    assert first(said) == {
        "a": [Value("integer", -7)],
        "b": [Value("keyword", b"one"), Value("keyword", b"two")],
        "c": [Value("unknown", None)],
        "d": [Value("no-value", None)],
        "e": [Value("textWithLanguage", b"hi")],
    }


def test_collections_hold_their_members_and_each_other() -> None:
    inner = collection(x_dimension=21000)
    said = answer_of(answer({"col": collection(full_color=5, size=inner), "after": text("x")}))

    assert first(said) == {
        "col": [
            Value(
                "collection",
                {
                    "full-color": [Value("integer", 5)],
                    "size": [Value("collection", {"x-dimension": [Value("integer", 21000)]})],
                },
            )
        ],
        "after": [Value("textWithoutLanguage", b"x")],
    }


def test_an_integer_of_the_wrong_length_is_no_number() -> None:
    said = answer_of(answer({"a": (0x21, b"\x00\x07"), "b": (0x21, b"")}))

    assert first(said) == {"a": [Value("integer", b"\x00\x07")], "b": [Value("integer", b"")]}


def test_a_server_is_asked_for_so_many_queues() -> None:
    asked = Question(CUPS_GET_PRINTERS, ["printer-name"], limit=9).octets("ipp://s/", (2, 0))

    assert asked[:4] == b"\x02\x00\x40\x02"
    assert b"\x21\x00\x05limit\x00\x04\x00\x00\x00\x09\x44" in asked


def test_each_printer_of_an_answer_is_read() -> None:
    two = answer({"a": integer(1)})[:-1] + answer({"a": integer(2)})[len(answer({})) - 1 :]

    assert answer_of(two).printers == [{"a": [Value("integer", 1)]}, {"a": [Value("integer", 2)]}]


def test_more_printers_than_may_be_are_refused() -> None:
    assert len(answer_of(HEAD + b"\x04" * MAX_GROUPS + b"\x03").printers) == MAX_GROUPS
    with pytest.raises(MalformedIppError, match="groups"):
        answer_of(HEAD + b"\x04" * (MAX_GROUPS + 1) + b"\x03")


def test_an_attribute_that_comes_twice_has_both_values() -> None:
    again = answer({"a": integer(1), "b": integer(2)})[:-1] + answer({"a": integer(3)})[-11:]

    attributes = first(answer_of(again))

    assert attributes["a"] == [Value("integer", 1), Value("integer", 3)]


@pytest.mark.parametrize("length", range(len(answer({"a": collection(b=1), "c": text("x")}))))
def test_an_answer_that_is_cut_anywhere_is_none(length: int) -> None:
    with pytest.raises(MalformedIppError):
        answer_of(answer({"a": collection(b=1), "c": text("x")})[:length])


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"<html>not IPP</html>", "version"),
        (HEAD + b"\x04\x21\x00\x00\x00\x04\x00\x00\x00\x07\x03", "belongs to no attribute"),
        (HEAD + b"\x21\x00\x01a\x00\x04\x00\x00\x00\x07\x03", "belongs to no attribute"),
        (HEAD + b"\x04\x34\x00\x01a\x00\x00\x21\x00\x00\x00\x04\x00\x00\x00\x07\x03", "no member"),
        (HEAD + b"\x04\x34\x00\x01a\x00\x00\x04\x03", "does not end"),
    ],
)
def test_what_is_not_ipp_is_told(octets: bytes, reason: str) -> None:
    with pytest.raises(MalformedIppError, match=reason):
        answer_of(octets)


def test_collections_without_end_are_refused() -> None:
    nested = b"\x34\x00\x01a\x00\x00" + b"\x4a\x00\x00\x00\x01b\x34\x00\x00\x00\x00" * 20_000

    with pytest.raises(MalformedIppError, match="over 8 deep"):
        answer_of(HEAD + b"\x04" + nested)


@given(st.binary(max_size=300))
def test_any_octets_are_an_answer_or_are_refused(octets: bytes) -> None:
    for some in (octets, HEAD + octets, HEAD + b"\x04" + octets):
        with suppress(MalformedIppError):
            answer_of(some)


FIELD = st.tuples(
    st.integers(0, 255),
    st.sampled_from([b"", b"a", b"printer-supply"]),
    st.binary(max_size=5),
)


@given(st.lists(FIELD, max_size=40))
def test_any_fields_are_an_answer_or_are_refused(fields: list[tuple[int, bytes, bytes]]) -> None:
    octets = HEAD + b"\x04"
    for tag, name, value in fields:
        octets += bytes([tag])
        if tag >= 0x10:
            octets += struct.pack(">H", len(name)) + name + struct.pack(">H", len(value)) + value
    with suppress(MalformedIppError):
        answer_of(octets + b"\x03")


VALUE: st.SearchStrategy[Tagged] = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(integer),
    st.text(max_size=9).map(text),
    st.just(UNKNOWN),
    st.binary(max_size=9).map(lambda octets: (KEYWORD, octets)),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUE, min_size=1))
def test_what_is_sent_is_what_is_read(said: dict[str, Tagged]) -> None:
    read = first(answer_of(answer(said)))

    assert list(read) == list(said)
    for name, (tag, octets) in said.items():
        [value] = read[name]
        if tag in (TEXT, KEYWORD):
            assert value.value == octets
