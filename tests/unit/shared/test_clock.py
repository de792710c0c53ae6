"""How wrong a clock is, in words."""

from __future__ import annotations

import pytest

from shared.clock import clock_off


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (None, None),
        (0.0, None),
        (-300.0, None),
        (-301.0, "5 minutes ahead"),
        (7_199.0, "120 minutes behind"),
        (7_200.0, "2 hours behind"),
        (-172_799.0, "48 hours ahead"),
        (172_800.0, "2 days behind"),
        (6.4e10, "740741 days behind"),
    ],
)
def test_a_clock_is_told_as_wrong_from_five_minutes_on(
    offset_s: float | None, words: str | None
) -> None:
    assert clock_off(offset_s) == words


def test_where_each_second_is_asked_for_each_is_told() -> None:
    assert clock_off(-3.0, 0) == "3 seconds ahead"
    assert clock_off(0.0, 0) is None
