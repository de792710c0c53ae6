"""By when a site is expected, and why it is probably late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporter.expected import all_expected
from shared.scope import Scope
from shared.store.watch import Expected, Heartbeat, SiteFacts

MADE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)  # a Friday; reads at 2, 8, 12 and 17
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SCOPE = Scope(version=1, author="a person", changed_at=MADE, segments=["10.0.0.0/24"]).to_json()


def site(name: str = "office", **fields: Any) -> SiteFacts:
    usual: dict[str, Any] = {
        "made_at": MADE,
        "keys": 1,
        "refused_at": None,
        "first_contact_at": MADE,
        "contact_at": NOW - 5 * MINUTE,
        "offset_s": 0.2,
        "status": None,
        "round_at": NOW - HOUR,
        "scope": SCOPE,
        "open_rounds": 0,
        "open_since": None,
    }
    return SiteFacts(name, **usual | fields)


def beat(service: str, seen_at: datetime = NOW, problem: str | None = None) -> Heartbeat:
    return Heartbeat(service, seen_at, 60.0, problem)


def late(*sites: SiteFacts, services: tuple[Heartbeat, ...] = ()) -> dict[str, str]:
    found = all_expected(sites, services, NOW)
    return {f"{one.subject} {one.part}": one.cause for one in found if one.expected_by < NOW}


def part(name: str, *sites: SiteFacts) -> Expected:
    [found] = [one for one in all_expected(sites, [], NOW) if one.part == name]
    return found


def test_of_a_site_that_was_made_just_now_nothing_is_late() -> None:
    new = site(
        made_at=NOW - MINUTE, first_contact_at=None, contact_at=None, round_at=None, scope=None
    )
    assert late(new) == {}


def test_a_site_that_does_its_work_is_not_late() -> None:
    assert late(site(), services=(beat("ingest"), beat("reporter"))) == {}


def test_a_site_is_late_after_three_contacts_missed() -> None:
    seen = NOW - HOUR

    assert part("contact", site(contact_at=seen)).expected_by == seen + 55 * MINUTE


def test_a_site_that_tries_a_key_of_before_is_late_because_of_it() -> None:
    said = late(site(contact_at=NOW - HOUR, refused_at=NOW - MINUTE))

    assert (
        "tries a key that was revoked or has ended, last 2026-11-20 08:59"
        in said["site office contact"]
    )


def test_a_site_that_contacts_the_hub_seldom_is_expected_later() -> None:
    told = json.dumps({"contact_s": 3600})

    assert late(site(contact_at=NOW - 2 * HOUR, status=told)) == {}


def test_a_site_that_was_never_heard_of_is_late_after_a_day() -> None:
    never = site(contact_at=None, first_contact_at=None, round_at=None)

    assert part("contact", never).expected_by == MADE + timedelta(days=1)


def test_of_a_site_that_was_not_heard_of_yet_no_round_is_expected() -> None:
    new = site(contact_at=None, first_contact_at=None, round_at=None, made_at=NOW - HOUR)

    assert late(new) == {}


def test_a_site_without_a_key_is_not_expected() -> None:
    assert late(site(keys=0, contact_at=NOW - timedelta(days=9))) == {}


def test_of_a_site_that_is_not_heard_of_nothing_else_is_late() -> None:
    gone = site(contact_at=NOW - 3 * HOUR, round_at=MADE, open_rounds=4, open_since=MADE)

    assert list(late(gone)) == ["site office contact"]


def test_a_round_is_expected_after_the_schedules_next_instant() -> None:
    began = datetime(2026, 11, 20, 1, 55, tzinfo=UTC)  # the round of 2 o'clock

    due = part("rounds", site(round_at=began)).expected_by

    assert due == datetime(2026, 11, 20, 8, tzinfo=UTC) + 5 * HOUR + 25 * MINUTE


def test_a_site_that_is_heard_of_and_reads_nothing_is_late_with_its_brokers_problem() -> None:
    told = json.dumps({"bus": "broker.example:5672 refuses the password"})

    said = late(site(round_at=NOW - timedelta(days=1), status=told))

    assert said == {"site office rounds": "its broker: broker.example:5672 refuses the password"}


def test_a_site_where_nothing_is_chosen_is_not_expected_to_read() -> None:
    empty = Scope(version=1, author="a person", changed_at=MADE).to_json()

    assert late(site(round_at=None, scope=empty)) == {}


def test_a_first_round_is_expected_from_when_something_was_chosen() -> None:
    assert list(late(site(round_at=None))) == ["site office rounds"]


def test_rounds_that_do_not_close_are_late_with_their_number() -> None:
    said = late(site(open_rounds=2, open_since=NOW - 7 * HOUR))

    assert "2 rounds are not closed" in said["site office reads"]


@pytest.mark.parametrize(("offset_s", "side"), [(-172800.0, "ahead of"), (400.0, "behind")])
def test_a_clock_that_is_off_is_told(offset_s: float, side: str) -> None:
    assert side in late(site(offset_s=offset_s, round_at=NOW))["site office clock"]


def test_a_disk_that_is_full_in_a_week_is_told() -> None:
    assert "3.5 days" in late(site(status=json.dumps({"disk_days": 3.5})))["site office disk"]


def test_a_disk_that_is_full_is_told() -> None:
    assert "is full, and" in late(site(status=json.dumps({"full": True})))["site office disk"]


def test_where_ingest_does_not_run_it_is_the_cause_of_every_silence() -> None:
    down = beat("ingest", NOW - HOUR, "the disk is full")

    said = late(site(contact_at=NOW - HOUR), services=(down,))

    assert "it last missed: the disk is full" in said["hub ingest"]
    assert said["site office contact"] == "ingest does not run"


def test_where_no_site_is_heard_of_the_hub_is_looked_at_first() -> None:
    silent = [site(name, contact_at=NOW - HOUR) for name in ("office", "plant")]

    assert "is the hub reachable" in late(*silent)["site plant contact"]


@given(
    status=st.text() | st.binary().map(lambda octets: octets.decode("latin-1")), scope=st.binary()
)
def test_whatever_a_site_tells_of_itself_the_others_are_watched(status: str, scope: bytes) -> None:
    odd = site(status=status, scope=scope)

    assert "site plant contact" in late(odd, site("plant", contact_at=NOW - HOUR))


@pytest.mark.parametrize(
    "status",
    [
        "[]",
        '{"contact_s":"x"}',
        '{"contact_s":1e999,"disk_days":-1}',
        '{"disk_days":true}',
        "[" * 9000,
    ],
    ids=["list", "text", "huge", "true", "deep"],
)
def test_a_status_that_makes_no_sense_counts_as_none(status: str) -> None:
    assert late(site(status=status)) == {}
