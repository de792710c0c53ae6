"""Who is late is told once, and a short return does not make it new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

from services.reporter.watch import mail_of, seen_now, to_tell
from shared.store.watch import Expected, Watched

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OPS = "ops@dealer.example"


def due(by: datetime, subject: str = "site office", cause: str = "its box is off") -> Expected:
    return Expected(subject, "contact", by - HOUR, by, cause)


def told(seen: Sequence[Watched]) -> list[Watched]:
    return [
        Watched(one.expected, one.late_since, one.on_time_since, frozenset({OPS})) for one in seen
    ]


def test_what_is_late_for_a_moment_is_not_told() -> None:
    seen = seen_now([], [due(NOW - MINUTE)], NOW)

    assert to_tell(seen, OPS, NOW) == []


def test_what_stays_late_is_told() -> None:
    seen = seen_now([], [due(NOW - MINUTE)], NOW)
    later = NOW + 21 * MINUTE

    assert len(to_tell(seen_now(seen, [due(NOW - MINUTE)], later), OPS, later)) == 1


def test_it_is_told_to_each_address_once() -> None:
    seen = told(seen_now([], [due(NOW - 2 * HOUR)], NOW - HOUR))

    assert to_tell(seen, OPS, NOW) == []
    assert len(to_tell(seen, "other@dealer.example", NOW)) == 1


def test_a_short_return_is_not_told_as_a_new_lateness() -> None:
    seen = told(seen_now([], [due(NOW - 2 * HOUR)], NOW - HOUR))

    back = seen_now(seen, [due(NOW + HOUR)], NOW)
    gone = seen_now(back, [due(NOW)], NOW + 30 * MINUTE)

    assert gone[0].late_since == NOW - HOUR
    assert to_tell(gone, OPS, NOW + HOUR) == []


def test_after_an_hour_on_time_a_lateness_is_new() -> None:
    seen = told(seen_now([], [due(NOW - 2 * HOUR)], NOW - HOUR))

    back = seen_now(seen, [due(NOW + 2 * HOUR)], NOW)
    well = seen_now(back, [due(NOW + 2 * HOUR)], NOW + HOUR)
    gone = seen_now(well, [due(NOW + HOUR)], NOW + 2 * HOUR)

    assert len(to_tell(gone, OPS, NOW + 3 * HOUR)) == 1


def test_what_is_not_expected_for_a_while_does_not_begin_anew() -> None:
    seen = told(seen_now([], [due(NOW - 2 * HOUR)], NOW - HOUR))

    hidden = seen_now(seen, [], NOW)
    again = seen_now(hidden, [due(NOW - HOUR)], NOW + 10 * MINUTE)

    assert to_tell(again, OPS, NOW + HOUR) == []


def test_what_is_expected_no_more_is_forgotten() -> None:
    seen = seen_now([], [due(NOW - 2 * HOUR)], NOW - HOUR)

    assert seen_now(seen_now(seen, [], NOW), [], NOW + HOUR) == []


def test_one_mail_tells_all_that_is_late_and_its_repeat_has_the_same_id() -> None:
    both = [due(NOW - HOUR), due(NOW - HOUR, "hub", "ingest\r\nBcc: x@y.example does not run")]
    seen = seen_now([], both, NOW)

    one, again = (
        message_from_bytes(mail_of(seen, OPS, "meters@dealer.example", at), policy=default)
        for at in (NOW, NOW + MINUTE)
    )

    assert one["Message-ID"] == again["Message-ID"]
    assert one["Subject"] == "Pagetally – late: 2 sites and services"
    assert one["Bcc"] is None
    text = one.get_content()
    assert "site office, contact: last 2026-11-20 07:00, expected by 2026-11-20 08:00 UTC" in text
    assert "Probably: ingest" in text
