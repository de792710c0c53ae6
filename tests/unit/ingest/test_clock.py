"""When a read was taken by the hub's clock, whatever the site's clock showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.clock import Clocks, Contact, billed_at, usable

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
DAYS, HOURS, MINUTES = (timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes"))


def minutes(count: float) -> datetime:
    """By the hub's clock."""
    return MIDNIGHT + count * MINUTES


def clocks(*contacts: tuple[datetime, timedelta, int]) -> Clocks:
    """Contacts as (by the hub's clock, what the site's clock was behind, the spool's last number);
    the last is the batch."""
    heard = [Contact(at - behind, at, last) for at, behind, last in contacts]
    return Clocks(heard[-1].hub_at, heard)


def dated(known: Clocks, taken_at: datetime, n: int = 1, **spooled: Any) -> datetime:
    told = {"stored_at": None, "age_s": None} | spooled
    return billed_at(taken_at, known.offset_s(taken_at, n, **told))


@pytest.mark.parametrize("ahead", [2 * DAYS, -2 * DAYS, 10 * MINUTES, -26 * HOURS])
def test_a_clock_that_is_wrong_moves_no_read(ahead: timedelta) -> None:
    known = clocks((minutes(-15), -ahead, 0), (minutes(1), -ahead, 2))

    assert dated(known, minutes(-0.5) + ahead, 1) == minutes(-0.5)
    assert dated(known, minutes(0.5) + ahead, 2) == minutes(0.5)


@pytest.mark.parametrize("behind_s", [2.0, -2.0, 0.7])
def test_what_the_way_to_the_hub_takes_is_no_wrong_clock(behind_s: float) -> None:
    known = clocks((minutes(1), timedelta(seconds=behind_s), 1))

    assert dated(known, minutes(0)) == minutes(0)


@pytest.mark.parametrize("step", [2 * DAYS, -2 * DAYS, 3 * HOURS, -3 * HOURS])
def test_of_a_clock_that_was_set_in_mid_round_each_read_goes_by_the_contact_nearest_to_it(
    step: timedelta,
) -> None:
    known = clocks((minutes(-1), 0 * DAYS, 1), (minutes(14), -step, 3))

    assert dated(known, minutes(1), 2) == minutes(1)
    assert dated(known, minutes(13) + step, 3) == minutes(13)


def test_an_hour_that_a_clock_showed_twice_is_told_apart_by_the_spools_numbers() -> None:
    """Two days after it was right, the clock is set back by two days."""
    then, now = minutes(0), minutes(0) + 2 * DAYS
    known = clocks(
        (then, 0 * DAYS, 5),
        (now - 30 * MINUTES, 0 * DAYS, 90),
        (now + 15 * MINUTES, 2 * DAYS, 91),
    )

    assert dated(known, then - 5 * MINUTES, 5) == then - 5 * MINUTES
    assert dated(known, then - 5 * MINUTES, 91) == now - 5 * MINUTES


def test_a_contact_of_the_same_minute_before_the_clock_was_set_back_is_not_meant() -> None:
    known = clocks((minutes(0), 0 * DAYS, 0), (minutes(180), 2 * HOURS, 1))
    taken_at = minutes(0) + timedelta(seconds=1)

    said = dated(known, taken_at, 1, stored_at=minutes(0.1), age_s=60 * 60 - 6)

    assert said == minutes(120) + timedelta(seconds=1)


def test_a_read_that_waited_while_the_clock_was_set_goes_by_when_it_was_spooled() -> None:
    """The hub was away, and the clock went back by ten minutes: two reads show one instant."""
    known = clocks((minutes(-60), 0 * DAYS, 0), (minutes(120), 10 * MINUTES, 2))
    shown = minutes(55)

    before = dated(known, shown, 1, stored_at=shown, age_s=65 * 60)
    after = dated(known, shown, 2, stored_at=shown, age_s=55 * 60)

    assert (before, after) == (minutes(55), minutes(65))


def test_a_read_that_waited_for_its_spool_goes_by_the_clock_that_was_then() -> None:
    """Two days ahead when it was taken, right when the uploader could spool it."""
    known = clocks((minutes(0), -2 * DAYS, 0), (minutes(300), 0 * DAYS, 1))
    taken_at = minutes(10) + 2 * DAYS

    assert dated(known, taken_at, 1, stored_at=minutes(299), age_s=60) == minutes(10)


def test_two_reads_of_one_minute_stay_in_their_order_however_long_each_was_under_way() -> None:
    slow = clocks((minutes(0), -2 * DAYS, 1), (minutes(2), -2 * DAYS - timedelta(seconds=1), 2))

    first, second = minutes(1) + 2 * DAYS, minutes(1) + 2 * DAYS + timedelta(milliseconds=100)

    assert dated(slow, first, 2, stored_at=first, age_s=59.0) < dated(
        slow, second, 2, stored_at=second, age_s=59.95
    )


@pytest.mark.parametrize("behind", [0 * DAYS, -2 * DAYS])
@pytest.mark.parametrize("held_up_s", [(0, 40), (40, 0), (40, 0.5)], ids=str)
def test_a_request_that_was_held_up_on_its_way_makes_no_clock_wrong(
    behind: timedelta, held_up_s: tuple[float, float]
) -> None:
    before, now = (behind + timedelta(seconds=each) for each in held_up_s)
    known = clocks((minutes(-15), before, 0), (minutes(1), now, 1))
    taken_at = minutes(0) - timedelta(seconds=1)

    for told in ({}, {"stored_at": taken_at - behind, "age_s": 61 - held_up_s[1]}):
        said = dated(known, taken_at - behind, 1, **told)
        assert abs((said - taken_at).total_seconds()) <= 0.5


@pytest.mark.parametrize("year", [1, 1970, 1999, 2100, 9999])
def test_of_a_clock_that_no_contact_knows_a_read_is_dated_when_it_was_spooled(year: int) -> None:
    taken_at = minutes(0).replace(year=year)
    known = clocks(
        (minutes(0), 0 * DAYS, 0), (minutes(60), 0 * DAYS, 7), (minutes(90), 0 * DAYS, 7)
    )

    assert dated(known, taken_at, 7) == minutes(60)
    assert dated(known, taken_at, 8) == minutes(90)
    assert dated(known, taken_at, 7, stored_at=minutes(20), age_s=70 * 60) == minutes(20)


@pytest.mark.parametrize("year", [1970, 1, 9999])
def test_a_clock_that_was_never_set_is_as_good_as_another_where_a_contact_knows_it(
    year: int,
) -> None:
    wrong = minutes(0) - minutes(0).replace(year=year)
    known = clocks((minutes(0), wrong, 0), (minutes(15), wrong, 1))

    assert dated(known, minutes(10) - wrong, 1) == minutes(10)


# -- any clock -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A clock that is set now and then: what it shows is ahead by the last step before."""

    steps: list[tuple[int, float]]  # (minute, seconds ahead from then on), by minute

    def ahead_s(self, at: datetime) -> float:
        passed = [ahead_s for minute, ahead_s in self.steps if minutes(minute) <= at]
        return passed[-1] if passed else 0.0

    def shows(self, at: datetime) -> datetime:
        return at + timedelta(seconds=self.ahead_s(at))


_STEPS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(-1000, 1000).map(lambda steps: steps * 300.0)),
    max_size=8,
).map(sorted)
_CONTACTS = st.lists(st.integers(-60, 3500), min_size=1, max_size=12, unique=True).map(sorted)


@given(_STEPS, _CONTACTS, st.integers(0, 3400), st.floats(0, 20), st.data())
def test_a_read_of_which_is_known_how_long_ago_it_was_spooled_is_dated_to_the_second(
    steps: list[tuple[int, float]],
    contacts: list[int],
    minute: int,
    under_way_s: float,
    data: st.DataObject,
) -> None:
    """Whatever the clock did before, after, and while the read waited; but for a clock that was set
    in the seconds until it was spooled, or by less than minutes."""
    site = Site([(at, ahead_s) for at, ahead_s in steps if abs(at - minute) > 1])
    taken, stored = minutes(minute), minutes(minute) + timedelta(seconds=under_way_s)
    later = [minutes(at) for at in contacts if minutes(at) >= stored]
    arrived = data.draw(st.sampled_from(later or [minutes(3600)]))
    heard = [minutes(m) for m in contacts if minutes(m) < arrived] + [arrived]
    known = Clocks(arrived, [Contact(site.shows(at), at, 7 if at >= stored else 6) for at in heard])

    said = dated(
        known,
        site.shows(taken),
        7,
        stored_at=site.shows(stored),
        age_s=(arrived - stored).total_seconds(),
    )

    assert abs((said - taken).total_seconds()) <= 4.1


_INSTANTS = st.datetimes(timezones=st.just(UTC))


@given(
    _INSTANTS,
    st.lists(st.tuples(_INSTANTS, _INSTANTS, st.none() | st.integers(0, 9)), max_size=6),
    st.none() | _INSTANTS,
    st.none() | st.floats(0, 3e8),
)
def test_no_clock_at_all_dates_a_read_after_its_arrival_or_before_2000(
    taken_at: datetime,
    contacts: list[tuple[datetime, datetime, int | None]],
    stored_at: datetime | None,
    age_s: float | None,
) -> None:
    arrived_at = minutes(0)
    heard = [Contact(site, min(hub, arrived_at), last) for site, hub, last in contacts]
    heard = [each for each in heard if each.hub_at.year >= 2020]
    known = Clocks(arrived_at, heard)

    said = dated(known, taken_at, 5, stored_at=stored_at, age_s=age_s)

    assert datetime(2000, 1, 1, tzinfo=UTC) <= said <= arrived_at + timedelta(seconds=2.1)


@given(_INSTANTS, st.floats(-1e12, 1e12))
def test_an_instant_beyond_all_years_stays_as_it_was_said(
    instant: datetime, offset_s: float
) -> None:
    assert billed_at(instant, offset_s).tzinfo is UTC


def test_an_instant_that_is_none_in_utc_is_no_contact() -> None:
    zone = timezone(timedelta(hours=14))

    assert usable(datetime(1, 1, 1, tzinfo=zone)) is None
    assert usable(datetime(2026, 11, 1, 14, tzinfo=zone)) == MIDNIGHT
