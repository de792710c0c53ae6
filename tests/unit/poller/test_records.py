from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.records import counts_in

COUNTERS = bytes.fromhex("00 0104 00005014 01 0104 00002f44 06 0101 0c ff")


def test_counts_are_found_by_their_tags() -> None:
    assert counts_in(COUNTERS) == {0x00: 20500, 0x01: 12100, 0x06: 12}


def test_a_level_and_its_maximum_are_no_count() -> None:
    assert counts_in(bytes.fromhex("a1 0102 0414 00 0104 00000007 ff")) == {0xA1: None, 0x00: 7}


@pytest.mark.parametrize(
    "octets",
    [
        COUNTERS[:-1],
        COUNTERS + b"\xff",
        COUNTERS[:-1] + COUNTERS,
        b"\x00\x02" + COUNTERS[2:],
        b"",
    ],
)
def test_of_what_is_not_records_from_end_to_end_nothing_is_taken(octets: bytes) -> None:
    assert counts_in(octets) == {}


def test_of_a_string_that_was_cut_nothing_is_taken() -> None:
    assert not any(counts_in(COUNTERS[:end]) for end in range(len(COUNTERS)))


@given(st.binary(max_size=300))
def test_any_octets_are_counts_or_nothing(octets: bytes) -> None:
    for tag, count in counts_in(octets).items():
        assert 0 <= tag <= 255
        assert count is None or 0 <= count < 2**32


@given(st.dictionaries(st.integers(0, 255), st.integers(0, 2**32 - 1), max_size=40))
def test_what_is_written_is_read(counts: dict[int, int]) -> None:
    records = b"".join(
        bytes([tag, 1, 4]) + count.to_bytes(4, "big") for tag, count in counts.items()
    )

    assert counts_in(records + b"\xff") == counts
