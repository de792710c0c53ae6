"""A site's segments beside what is chosen of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.choosing import Choice, same, with_choices
from shared.messages import NotReached, Segment, SegmentsListed
from shared.scope import Scope
from shared.store.network import rows_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMPTY = Scope(version=0, author="nobody", changed_at=NOW)


def listed(*segments: Segment, refused: dict[str, str] | None = None) -> SegmentsListed:
    return SegmentsListed(
        round=UUID(int=7),
        agent="agent",
        listed_at=NOW,
        segments=list(segments),
        refused=[NotReached(target=one, reason=why) for one, why in (refused or {}).items()],
    )


def test_rows_say_what_is_searched_within_another_and_what_the_site_refuses() -> None:
    scope = with_choices(EMPTY, map(Choice, ["10.1.0.0/16", "10.2.0.5-10.2.0.9", "10.4.0.0/24"]))
    told = listed(
        Segment(network="10.1.7.0/24", learned_from="x", refused="not allowed"),
        Segment(network="10.2.0.0/24", learned_from="x"),
        Segment(network="10.3.0.0/24", learned_from="x"),
        Segment(network="10.4.0.0/24", learned_from="x", refused="too large"),
        refused={"10.1.0.0/16": "too many", "10.4.0.0-10.4.0.255": "too large", "x.y": "unknown"},
    )

    rows, refused = rows_of(scope, told)

    assert [(row.choice.network, row.choice.chosen, row.reach, row.refused) for row in rows] == [
        ("10.1.0.0/16", True, "all", ("too many",)),
        ("10.2.0.5-10.2.0.9", True, "all", ()),
        ("10.4.0.0/24", True, "all", ("too large",)),
        ("10.1.7.0/24", False, "all", ("not allowed",)),
        ("10.2.0.0/24", False, "part", ()),
        ("10.3.0.0/24", False, "none", ()),
    ]
    assert refused == (NotReached(target="x.y", reason="unknown"),)


anything = st.text(max_size=20).filter(lambda text: "\x00" not in text)


@given(chosen=st.lists(anything, max_size=4), networks=st.lists(anything, max_size=4))
def test_whatever_was_written_has_one_row(chosen: list[str], networks: list[str]) -> None:
    scope = EMPTY.model_copy(update={"segments": chosen})

    rows, _ = rows_of(scope, listed(*(Segment(network=n, learned_from="x") for n in networks)))

    shown = [same(row.choice.network) for row in rows]
    assert len(shown) == len(set(shown))
    assert set(shown) == {same(one) for one in [*chosen, *networks]}
