from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.deaths import died_of


def test_why_a_message_died_is_told_oldest_first() -> None:
    deaths = [
        {"queue": "poller.alone.2", "reason": "delivery_limit", "count": 1},
        {"queue": "poller.found.2", "reason": "rejected", "count": 3},
    ]

    assert died_of({"x-death": deaths}) == (
        "poller.found.2: given up by its reader, 3 times;"
        " poller.alone.2: delivered too often without an end"
    )


_ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_DEATH = st.fixed_dictionaries({"queue": _ANYTHING, "reason": _ANYTHING, "count": _ANYTHING})


@given(_ANYTHING | st.lists(_DEATH | _ANYTHING))
def test_whatever_the_header_holds_a_short_printable_line_comes_of_it(header: object) -> None:
    said = died_of({"x-death": header})

    assert len(said) <= 6000
    assert said.isprintable()
