from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.stays import Seen, Stay, stays_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def seen(value: str, round_: int, minute: int = 0) -> Seen:
    at = NOON + timedelta(days=round_, minutes=minute)
    return Seen(value, at, uuid5(UUID(int=0), str(round_)), "M2")


def told(stays: list[Stay]) -> list[tuple[str, int, int, str | None]]:
    """(value, days from the first to the last read, value before), in time."""
    return sorted(
        (
            (stay.value, (stay.first.at - NOON).days, (stay.last.at - NOON).days, stay.instead_of)
            for stay in stays
        ),
        key=lambda row: row[1:3],
    )


def test_a_device_that_moved_and_came_back_has_three_stays() -> None:
    stays = stays_of([seen(".7", 1), seen(".7", 2), seen(".9", 3), seen(".7", 4)])

    assert told(stays) == [(".7", 1, 2, None), (".9", 3, 3, ".7"), (".7", 4, 4, ".9")]


def test_a_device_that_answers_at_two_addresses_has_not_moved() -> None:
    both = [seen(value, day, minute) for day in (1, 2, 3) for minute, value in enumerate("ab")]

    assert told(stays_of(both)) == [("a", 1, 3, None), ("b", 1, 3, None)]


def test_one_address_more_is_no_move_and_one_less_is_none() -> None:
    stays = stays_of([seen("a", 1), seen("a", 2), seen("b", 2, 1), seen("b", 3)])

    assert told(stays) == [("a", 1, 2, None), ("b", 2, 3, None)]


READS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 3)), max_size=30
)


@given(READS, st.randoms())
def test_stays_are_the_same_in_whatever_order_the_reads_come(
    reads: list[tuple[str, int, int]], random: Random
) -> None:
    everything = [seen(*read) for read in reads]
    mixed = random.sample(everything, len(everything))

    assert stays_of(mixed) == stays_of(everything)


@given(READS)
def test_each_read_is_in_one_stay_and_only_the_newest_go_on(
    reads: list[tuple[str, int, int]],
) -> None:
    stays = stays_of(seen(*read) for read in reads)

    newest = max((day for _, day, _ in reads), default=None)
    assert {stay.value for stay in stays if not stay.over} == {
        value for value, day, _ in reads if day == newest
    }
    for value, day, minute in reads:
        at = seen(value, day, minute).at
        holding = [it for it in stays if it.value == value and it.first.at <= at <= it.last.at]
        assert len(holding) == 1
