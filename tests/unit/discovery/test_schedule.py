"""When rounds begin: at the scope's cron lines, spread over agents, once after a long sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.discovery.schedule import Due, due_round, next_begin
from shared.schedule import RoundKind, ScheduleError, schedule, schedules
from shared.scope import Ask, Scope

MONDAY = datetime(2026, 3, 2, 4, 59, tzinfo=UTC)


def scope(**fields: object) -> Scope:
    fields = {"version": 1, "author": "a person", "changed_at": MONDAY} | fields
    return Scope.model_validate(fields)


def due_at(
    now: datetime, last: dict[RoundKind, datetime], *asks: Ask, **fields: object
) -> Due | None:
    found, faults = schedules(scope(**fields), agent="a", jitter_s=0)
    assert not faults
    return due_round(found, last, asks, (), now)


def served(instant: datetime) -> dict[RoundKind, datetime]:
    return {"search": instant, "read": instant}


def test_the_default_search_is_due_on_monday_at_five() -> None:
    assert due_at(MONDAY, served(MONDAY)) is None

    due = due_at(MONDAY + timedelta(minutes=1), served(MONDAY))

    assert due == Due("search", datetime(2026, 3, 2, 5, tzinfo=UTC))


def test_a_served_instant_is_not_due_again() -> None:
    five = datetime(2026, 3, 2, 5, tzinfo=UTC)

    assert due_at(five + timedelta(hours=1), served(five)) is None


def test_after_a_long_sleep_one_round_of_a_kind_is_due_and_not_many() -> None:
    last = served(MONDAY)
    now = MONDAY + timedelta(days=30)

    search = due_at(now, last)
    assert search and search.kind == "search"
    last["search"] = search.instant
    read = due_at(now, last)
    assert read and read.kind == "read"
    last["read"] = read.instant

    assert due_at(now, last) is None
    assert read.instant == datetime(2026, 4, 1, 2, tzinfo=UTC)


def test_a_clock_that_was_set_back_by_years_stops_no_schedule() -> None:
    in_2031 = served(MONDAY + timedelta(days=5 * 365))

    due = due_at(MONDAY, in_2031)

    assert due == Due("search", datetime(2026, 2, 26, 5, tzinfo=UTC))
    assert due_at(MONDAY, served(due.instant) | {"read": MONDAY}) is None


def test_a_clock_that_was_set_back_by_minutes_begins_no_round_twice() -> None:
    five = datetime(2026, 3, 2, 5, tzinfo=UTC)

    assert due_at(five - timedelta(minutes=20), served(five)) is None


def test_the_scope_has_its_own_time_zone_through_summer_time() -> None:
    found, _ = schedules(
        scope(time_zone="Europe/Berlin", search_schedule="0 0 1 1 *", read_schedule="0 8 * * *"),
        agent="a",
        jitter_s=0,
    )

    assert next_begin(found, datetime(2026, 3, 28, 0, tzinfo=UTC)) == datetime(
        2026, 3, 28, 7, tzinfo=UTC
    )
    assert next_begin(found, datetime(2026, 3, 29, 0, tzinfo=UTC)) == datetime(
        2026, 3, 29, 6, tzinfo=UTC
    )


def test_jitter_is_an_agents_own_and_within_its_bound() -> None:
    shifts = [
        schedule("0 5 * * *", "UTC", kind="read", agent=f"agent-{n}", jitter_s=600).shift
        for n in range(200)
    ]

    assert (
        shifts[0] == schedule("0 5 * * *", "UTC", kind="read", agent="agent-0", jitter_s=600).shift
    )
    assert all(abs(shift) <= timedelta(seconds=600) for shift in shifts)
    assert len(set(shifts)) > 100
    assert min(shifts) < timedelta(seconds=-300) < timedelta(seconds=300) < max(shifts)


@pytest.mark.parametrize("shift_s", [-300, 0, 300])
def test_a_shifted_round_begins_once(shift_s: int) -> None:
    one = schedule("0 5 * * *", "UTC", kind="read", agent="a", jitter_s=0)
    one = type(one)(one.line, one.zone, timedelta(seconds=shift_s))
    begin = datetime(2026, 3, 2, 5, tzinfo=UTC) + timedelta(seconds=shift_s)

    assert one.begins_after(begin - timedelta(seconds=1)) == begin
    assert one.last(begin) == datetime(2026, 3, 2, 5, tzinfo=UTC)
    assert one.last(begin - timedelta(seconds=1)) == datetime(2026, 3, 1, 5, tzinfo=UTC)


def test_an_ask_is_run_once_and_not_after_its_until() -> None:
    ask = Ask(id=uuid4(), kind="read", until=MONDAY + timedelta(minutes=10))
    found, _ = schedules(scope(), agent="a", jitter_s=0)
    last = served(MONDAY)

    def due(now: datetime, done: set[UUID]) -> Due | None:
        return due_round(found, last, [ask], done, now)

    assert due(MONDAY, set()) == Due("read", MONDAY, ask)
    assert due(MONDAY, {ask.id}) is None
    late = due(MONDAY + timedelta(minutes=11), set())
    assert late is not None
    assert late.ask is None


@pytest.mark.parametrize(
    ("line", "zone", "said"),
    [
        ("0 5 * *", "UTC", "is no cron line: a cron line has 5 fields"),
        ("* * * * * *", "UTC", "is no cron line: a cron line has 5 fields"),
        ("0 25 * * *", "UTC", "'0 25 * * *' is no cron line"),
        ("0 0 30 2 *", "UTC", "'0 0 30 2 *' is no cron line"),
        ("0 5 * * *", "Europe/Atlantis", "'Europe/Atlantis' is no time zone"),
        ("0 5 * * *", "../../etc/passwd", "is no time zone"),
        ("0 5 * * *", "", "is no time zone"),
    ],
)
def test_what_cannot_be_used_is_told(line: str, zone: str, said: str) -> None:
    with pytest.raises(ScheduleError, match="is no") as raised:
        schedule(line, zone, kind="read", agent="a", jitter_s=0)

    assert said in str(raised.value)


def test_a_schedule_that_cannot_be_used_gives_way_to_the_default() -> None:
    """Collection must not stop because somebody mistyped a cron line."""
    found, faults = schedules(scope(read_schedule="whenever"), agent="a", jitter_s=0)

    assert found["read"].line == "0 2,8,12,17 * * *"
    assert [fault.partition(":")[0] for fault in faults] == ["read schedule"]
