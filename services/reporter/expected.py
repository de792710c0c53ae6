"""By when the hub should have heard of each site, and why it probably has not. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from services.reporter.report import printable
from shared.schedule import schedules
from shared.scope import Scope
from shared.store.rounds import OVERDUE_AFTER
from shared.store.watch import Expected, Heartbeat, SiteFacts, expected_of

_CONTACT = timedelta(minutes=15)  # an uploader's own, where it does not say another
_CONTACTS_MISSED = 3
_FIRST_CONTACT = timedelta(days=1)  # after a site was made at the hub
_SLACK = timedelta(minutes=10)
_JITTER = timedelta(minutes=10)
_MOST_OFFSET_S = 300.0
_LEAST_DISK_DAYS = 7.0
_LONGEST_S = 86_400.0


def all_expected(
    sites: Sequence[SiteFacts], services: Sequence[Heartbeat], now: datetime
) -> list[Expected]:
    """What is expected of the hub's services and of each site whose keys are not all revoked."""
    hub = [expected_of(one) for one in services]
    away = [one for one in hub if one.part == "ingest" and one.expected_by < now]
    found = []
    silent = 0
    for site in sites:
        if site.keys == 0:
            continue
        contact = _contact(site)
        found.append(contact)
        if contact.expected_by < now:
            silent += 1
        elif site.contact_at is not None:
            found += [*_of_rounds(site), *_told_by_itself(site, site.contact_at)]
    if away or (silent > 1 and silent == sum(site.keys > 0 for site in sites)):
        why = "ingest does not run" if away else "no site is heard of: is the hub reachable?"
        found = [_because(why, one) if one.part == "contact" else one for one in found]
    return hub + found


def _because(why: str, one: Expected) -> Expected:
    return Expected(one.subject, one.part, one.last_at, one.expected_by, why)


def _contact(site: SiteFacts) -> Expected:
    subject = f"site {site.name}"
    if site.contact_at is None:
        return Expected(
            subject,
            "contact",
            None,
            site.made_at + _FIRST_CONTACT,
            _key_refused(site)
            or "never heard of; is its agent set up, with this hub's URL and the site's key?",
        )
    every = timedelta(seconds=_number(site, "contact_s", _CONTACT.total_seconds()))
    return Expected(
        subject,
        "contact",
        site.contact_at,
        site.contact_at + _CONTACTS_MISSED * every + _SLACK,
        _key_refused(site)
        or "its box is off, or its network, proxy or firewall lets nothing out;"
        " run pagetally check there",
    )


def _key_refused(site: SiteFacts) -> str | None:
    if site.refused_at is None or (site.contact_at and site.refused_at < site.contact_at):
        return None
    return (
        f"it tries a key that was revoked or has ended, last {site.refused_at:%Y-%m-%d %H:%M} UTC;"
        " put the new one there"
    )


def _of_rounds(site: SiteFacts) -> Iterator[Expected]:
    subject = f"site {site.name}"
    due = _next_round(site)
    if due is not None:
        problem = _words(site, "bus")
        yield Expected(
            subject,
            "rounds",
            site.round_at,
            due + _JITTER + OVERDUE_AFTER + _CONTACT,
            f"its broker: {problem}"
            if problem
            else "its uploader is heard of and no round is: discovery does not run there,"
            " or cannot reach the broker",
        )
    if site.open_since is not None:
        yield Expected(
            subject,
            "reads",
            None,
            site.open_since + OVERDUE_AFTER,
            f"{_rounds(site.open_rounds)} not closed: no poller runs there, or what it read does"
            f" not come out of the broker; pagetally admin rounds {site.name} --open names what"
            " is missing",
        )


def _rounds(number: int) -> str:
    return "1 round is" if number == 1 else f"{number} rounds are"


def _next_round(site: SiteFacts) -> datetime | None:
    """When the schedules' next round is due after the last; None: nothing is to be read."""
    scope = _scope(site)
    chosen = bool(scope.segments or scope.targets or scope.spoolers)
    if site.round_at is None and not chosen:
        return None
    after = site.round_at or max(scope.changed_at, site.first_contact_at or scope.changed_at)
    lines, _ = schedules(scope, agent="", jitter_s=0)
    # a round begins up to _JITTER before its instant, or after it
    places = [line.begins_after(after + _JITTER) for line in lines.values()]
    return min((place for place in places if place), default=None)


def _scope(site: SiteFacts) -> Scope:
    """The site's own; of one that has none, or none that can be read, the defaults."""
    if site.scope is not None:
        try:
            return Scope.model_validate_json(site.scope)
        except ValidationError:
            pass
    return Scope(version=1, author="default", changed_at=site.made_at)


def _told_by_itself(site: SiteFacts, at: datetime) -> Iterator[Expected]:
    """What is wrong at a site that was heard of at `at`: due as soon as it was told."""
    subject = f"site {site.name}"
    if site.offset_s is not None and abs(site.offset_s) > _MOST_OFFSET_S:
        side = "behind" if site.offset_s > 0 else "ahead of"
        off = timedelta(seconds=round(abs(site.offset_s)))
        yield Expected(
            subject, "clock", None, at, f"its clock is {off} {side} the hub's; let NTP set it"
        )
    days = _number(site, "disk_days", _LEAST_DISK_DAYS)
    if _status(site).get("full") is True:
        yield Expected(
            subject, "disk", None, at, "its disk is full, and reads stay in its broker; make room"
        )
    elif days < _LEAST_DISK_DAYS:
        yield Expected(
            subject, "disk", None, at, f"its disk is full in {days:.1f} days; make room there"
        )


def _number(site: SiteFacts, name: str, otherwise: float) -> float:
    value = _status(site).get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return float(value) if 0 <= value <= _LONGEST_S else otherwise


def _words(site: SiteFacts, name: str) -> str | None:
    value = _status(site).get(name)
    return printable(value, 200) if isinstance(value, str) and value else None


def _status(site: SiteFacts) -> dict[str, object]:
    try:
        status = json.loads(site.status or "{}")
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}
