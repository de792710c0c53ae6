"""Watching sites and services: who is late is told once, however often he comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from services.reporter.expected import all_expected
from services.reporter.mail import plain_mail
from services.reporter.report import printable
from services.reporter.smtp import Mailer
from shared.log import log
from shared.store import watch
from shared.store.postgres import Store
from shared.store.watch import Expected, Watched

_SETTLES = timedelta(minutes=20)  # so long somebody is late before it is told: longer than until
# the next contact of sites that could not reach the hub
_BACK = timedelta(hours=1)  # so long he is on time before he can be late anew
_LOOK_EVERY = timedelta(minutes=1)
_AGAIN_AFTER = timedelta(minutes=10)
_LISTED = 100


def seen_now(
    before: Sequence[Watched], expected: Sequence[Expected], now: datetime
) -> list[Watched]:
    """What is expected, each with since when it is late and whom that was told; what nobody
    expects any more is left out, unless it was late and may be again soon.
    """
    known = {one.key: one for one in before}
    seen = []
    for each in expected:
        one = replace(known.pop((each.subject, each.part), Watched(each)), expected=each)
        seen.append(_late(one, now) if each.expected_by < now else _on_time(one, now))
    for one in known.values():
        rested = _on_time(replace(one, expected=_not_due(one.expected, now)), now)
        if rested.late_since is not None:
            seen.append(rested)
    return seen


def _late(one: Watched, now: datetime) -> Watched:
    return replace(one, late_since=one.late_since or now, on_time_since=None)


def _on_time(one: Watched, now: datetime) -> Watched:
    since = one.on_time_since or now
    if one.late_since is None or now - since >= _BACK:
        return Watched(one.expected)
    return replace(one, on_time_since=since)


def _not_due(expected: Expected, now: datetime) -> Expected:
    return replace(expected, last_at=now, expected_by=now + _BACK)


def to_tell(seen: Sequence[Watched], address: str, now: datetime) -> list[Watched]:
    """What is late long enough and was not told to `address` yet."""
    return [
        one
        for one in seen
        if one.late_since is not None
        and one.on_time_since is None
        and now - one.late_since >= _SETTLES
        and address not in one.told
    ]


def mail_of(late: Sequence[Watched], address: str, mail_from: str, now: datetime) -> bytes:
    """One mail for all that is late; the same for the same, so that a repeat can be told."""
    subjects = sorted({one.expected.subject for one in late})
    what = subjects[0] if len(subjects) == 1 else f"{len(subjects)} sites and services"
    of = "|".join(f"{one.key} {one.late_since}" for one in late)
    return plain_mail(
        subject=f"Pagetally – late: {printable(what, 100)}",
        lines=[
            "Late, and told once; pagetally admin late lists what is late at any time.",
            "",
            *(_line(one.expected) for one in late[:_LISTED]),
            *([f"and {len(late) - _LISTED} more"] if len(late) > _LISTED else []),
        ],
        id_=uuid5(NAMESPACE_OID, f"{address} {of}"),
        at=now,
        mail_from=mail_from,
        recipient=address,
    )


def _line(one: Expected) -> str:
    last = f"last {one.last_at:%Y-%m-%d %H:%M}, " if one.last_at else ""
    return (
        f"{printable(one.subject, 100)}, {one.part}: {last}expected by"
        f" {one.expected_by:%Y-%m-%d %H:%M} UTC. Probably: {printable(one.cause, 500)}."
    )


class Watcher:
    """Looks now and then, and mails. Of several reporters one does it at a time."""

    def __init__(
        self, store: Store, mailer: Mailer, *, mail_from: str, mail_to: Sequence[str]
    ) -> None:
        self._store, self._mailer = store, mailer
        self._mail_from, self._mail_to = mail_from, mail_to
        self._look_at: datetime | None = None
        self._mail_at: datetime | None = None

    async def look(self, now: datetime) -> None:
        """Keep who is expected by when, and tell who is late. Raises: StoreError."""
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        async with self._store.transaction() as held:
            if not await watch.alone(held):
                return
            seen = await self._seen(now)
            if self._mail_at is None or now >= self._mail_at:
                for address in self._mail_to or ("",):
                    await self._tell(to_tell(seen, address, now), address, now)

    async def _seen(self, now: datetime) -> list[Watched]:
        async with self._store.transaction() as connection:
            expected = all_expected(
                await watch.site_facts(connection, now), await watch.heartbeats(connection), now
            )
            seen = seen_now(await watch.watched(connection), expected, now)
            await watch.keep(connection, seen, now)
        return seen

    async def _tell(self, late: Sequence[Watched], address: str, now: datetime) -> None:
        if not late:
            return
        if address:
            mail = mail_of(late, address, self._mail_from, now)
            name = f"late-{now:%Y%m%dT%H%M%SZ}-{uuid5(NAMESPACE_OID, address)}"
            outcome = await asyncio.to_thread(self._mailer.send, mail, name, address, lambda: None)
            if outcome.state not in ("sent", "filed", "refused", "sending"):
                self._mail_at = now + _AGAIN_AFTER
                log.warning("late not told yet", to=address, reason=outcome.reason)
                return
        for one in late:
            log.error(
                "late",
                subject=one.expected.subject,
                part=one.expected.part,
                expected_by=one.expected.expected_by.isoformat(),
                cause=one.expected.cause,
                told=address or "nobody; set REPORTER_WATCH_MAIL_TO",
            )
        async with self._store.transaction() as connection:
            await watch.told(connection, [one.key for one in late], address)
