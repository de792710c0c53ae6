"""What people choose of a scope, and what stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.choosing import (
    Choice,
    ChoiceError,
    changes_told,
    choices_of,
    same,
    with_choices,
    with_credentials,
    with_exclusions,
    with_targets,
    without_exclusions,
    without_segments,
)
from shared.scope import AskingManner, CredentialRange, Scope, SegmentRule

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMPTY = Scope(version=0, author="nobody", changed_at=NOW)
WRITTEN = ["10.0.0.0/24", "10.0.0.0-10.0.0.255", "10.0.1.*", "10.1-2.0.0/24", "10.0.0.0/8", "x.y"]


def test_a_range_is_the_same_however_it_is_written() -> None:
    scope = with_choices(EMPTY, [Choice("10.0.1.0/24", credentials=("public",))])

    again = with_choices(scope, [Choice("10.0.1.*", broadcast=True)])

    assert again.segments == ["10.0.1.0/24"]
    assert again.credentials == []
    assert again.rules == [SegmentRule(range="10.0.1.*", broadcast=True)]
    assert without_segments(again, ["10.0.1.0-10.0.1.255"]).segments == []
    assert same("10.0.0.7") != same("10.0.0.7:1161")


def test_what_nobody_chose_anew_stays_as_it_was() -> None:
    manner = AskingManner(pace=5)
    scope = EMPTY.model_copy(
        update={
            "segments": ["10.0.0.0/24", "no network", "10.0.9.0/24"],
            "rules": [SegmentRule(range="10.0.0.0/16", manner=manner)],
            "credentials": [CredentialRange(range="10.0.0.0/24", credentials=["a", "b"])],
        }
    )

    after = with_choices(scope, [*choices_of(scope).values(), Choice("10.0.9.0/24", chosen=False)])

    assert after == scope.model_copy(update={"segments": ["10.0.0.0/24", "no network"]})
    assert without_segments(after, ["no network"]).segments == ["10.0.0.0/24"]


def test_each_entry_that_cannot_be_chosen_is_told() -> None:
    wrong = ["x.y", "10.0.0.7/24", "10.0.0.7:1161", "broadcast", "ipp://x.y/ipp", "\x1b[31m"]

    with pytest.raises(ChoiceError) as told:
        with_choices(EMPTY, map(Choice, wrong))

    lines = str(told.value).splitlines()
    assert [line.partition(": ")[0] for line in lines[:5]] == wrong[:5]
    assert len(lines) == len(wrong)
    assert "\x1b" not in str(told.value)
    for entries in (["10.0.0.0/33"], ["broadcast"], ["ipp://"], [""]):
        with pytest.raises(ChoiceError):
            with_exclusions(EMPTY, entries)
    for undo in (without_segments, without_exclusions):
        with pytest.raises(ChoiceError, match=r"10\.0\.0\.0/24: is not"):
            undo(EMPTY, ["10.0.0.0/24"])


def test_what_changed_is_told_a_line_a_range() -> None:
    manner = AskingManner(timeout_s=4.5, tries=2, pace=20, max_message=1200)
    scope = with_choices(EMPTY, [Choice("10.0.0.0/24", True, True, manner, ("a", "b"))])
    scope = with_exclusions(with_targets(scope, ["x.y", "x.y"]), ["10.0.0.9"])
    scope = with_credentials(scope, {"x.y": ["c"]})

    assert changes_told(EMPTY, scope) == [
        "10.0.0.0/24: chosen, by broadcast first, waits 4.5 s, asked 2 times,"
        " 20 datagrams a second, messages of at most 1200 octets, credentials a, b",
        "x.y: not chosen, credentials c",
        "x.y: target",
        "10.0.0.9: excluded",
    ]
    assert changes_told(scope, without_exclusions(scope, ["10.0.0.9"])) == [
        "10.0.0.9: no longer excluded"
    ]
    assert (
        "10.0.0.0/24: not chosen, by"
        in changes_told(scope, without_segments(scope, ["10.0.0.0/24"]))[0]
    )


entries = st.sampled_from(WRITTEN) | st.text(max_size=30).filter(lambda text: "\x00" not in text)


@given(there=st.lists(entries, max_size=6), network=entries, name=st.text(max_size=70))
def test_any_entry_is_chosen_or_refused_with_words(
    there: list[str], network: str, name: str
) -> None:
    scope = EMPTY.model_copy(update={"segments": there})
    try:
        after = with_choices(scope, [Choice(network, credentials=(name,))])
    except ChoiceError as error:
        assert str(error)
        return

    assert Scope.model_validate_json(after.to_json()) == after
    assert choices_of(after)[same(network)].chosen
