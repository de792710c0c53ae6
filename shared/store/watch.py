"""Who is expected at the hub by when, what is known of him, and who is late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.store.postgres import Connection
from shared.store.rounds import OVERDUE_AFTER

_BEATS_MISSED = 5
_OPEN_WITHIN = timedelta(days=3)  # what is open for longer was told and is listed with the rounds
_SEVERAL_WATCHERS = 7_221_951  # one at a time looks


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a service of the hub last said that it works, and what it then missed."""

    service: str
    seen_at: datetime
    every_s: float
    problem: str | None

    @property
    def expected_by(self) -> datetime:
        return self.seen_at + timedelta(seconds=_BEATS_MISSED * self.every_s)


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What the hub knows of a site, by the hub's clock."""

    name: str
    made_at: datetime
    keys: int  # not revoked
    refused_at: datetime | None  # when a key that is no longer in force was tried last
    first_contact_at: datetime | None
    contact_at: datetime | None
    offset_s: float | None  # what must be added to the site's time, as last measured
    status: str | None  # JSON, as the site's uploader told it
    round_at: datetime | None  # the begin of the last round that is known; it is past
    scope: bytes | None
    open_rounds: int  # of the last days, that should be closed by now
    open_since: datetime | None  # when the first of these began


@dataclass(frozen=True, slots=True)
class Expected:
    """That a part of a site or of the hub is heard of by an instant, and else why probably not."""

    subject: str  # "hub", or "site NAME"
    part: str
    last_at: datetime | None
    expected_by: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Watched:
    """Something expected, and what was seen and told of it until now."""

    expected: Expected
    late_since: datetime | None = None
    on_time_since: datetime | None = None
    told: frozenset[str] = field(default_factory=frozenset)

    @property
    def key(self) -> tuple[str, str]:
        return self.expected.subject, self.expected.part


async def beat(connection: Connection, service: str, every_s: float, problem: str | None) -> None:
    await connection.execute(
        "insert into heartbeat (service, seen_at, every_s, problem) values (%s, now(), %s, %s)"
        " on conflict (service) do update set seen_at = excluded.seen_at,"
        " every_s = excluded.every_s, problem = excluded.problem",
        (service, every_s, problem),
    )


async def heartbeats(connection: Connection) -> list[Heartbeat]:
    rows = await connection.execute(
        "select service, seen_at, every_s, problem from heartbeat order by service"
    )
    return [Heartbeat(**row) for row in await rows.fetchall()]


async def alone(connection: Connection) -> bool:
    """Whether no other watcher looks until this transaction ends."""
    cursor = await connection.execute(
        "select pg_try_advisory_xact_lock(%s) as alone", (_SEVERAL_WATCHERS,)
    )
    row = await cursor.fetchone()
    return bool(row and row["alone"])


async def site_facts(connection: Connection, now: datetime) -> list[SiteFacts]:
    """Of all sites, by name."""
    rows = await connection.execute(
        """
        with open as (
            select site_id, count(*) as rounds, min(first_at) as since from round_course
            where not closed and first_at between %(from)s and %(to)s group by site_id
        )
        select s.name, s.created_at as made_at, h.first_contact_at,
            p.last_seen_at as contact_at, p.clock_offset_s as offset_s, p.status,
            (select max(first_at) from round_course r
                where r.site_id = s.id and first_at between '2000-01-01' and %(now)s) as round_at,
            (select body from scope c where c.site_id = s.id order by version desc limit 1)
                as scope,
            (select count(*) from site_key k where k.site_id = s.id and k.revoked_at is null)
                as keys,
            (select max(refused_at) from site_key k where k.site_id = s.id) as refused_at,
            coalesce(open.rounds, 0) as open_rounds, open.since as open_since
        from site s
        left join lateral (
            select * from spool where site_id = s.id order by last_seen_at desc limit 1
        ) p on true
        left join lateral (
            select min(first_seen_at) as first_contact_at from spool where site_id = s.id
        ) h on true
        left join open on open.site_id = s.id
        order by s.name
        """,
        {"from": now - _OPEN_WITHIN, "to": now - OVERDUE_AFTER, "now": now},
    )
    return [
        SiteFacts(**row | {"scope": bytes(row["scope"]) if row["scope"] is not None else None})
        for row in await rows.fetchall()
    ]


async def watched(connection: Connection) -> list[Watched]:
    """All that is expected, as it was seen last."""
    rows = await connection.execute(
        "select subject, part, last_at, expected_by, cause, late_since, on_time_since, told"
        " from expected order by subject, part"
    )
    return [_watched(row) for row in await rows.fetchall()]


async def keep(connection: Connection, seen: Sequence[Watched], now: datetime) -> None:
    """What is expected from now on, instead of all that was."""
    await connection.execute("delete from expected")
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into expected (subject, part, last_at, expected_by, cause, late_since,"
            " on_time_since, told, looked_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(*one.key, one.expected.last_at, one.expected.expected_by),
                    *(one.expected.cause, one.late_since, one.on_time_since),
                    *(sorted(one.told), now),
                )
                for one in seen
            ],
        )


async def told(connection: Connection, keys: Sequence[tuple[str, str]], address: str) -> None:
    """That `address` has a mail of these."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "update expected set told = told || %s::text where subject = %s and part = %s",
            [(address, *key) for key in keys],
        )


async def late(connection: Connection, now: datetime) -> list[Watched]:
    """What is late now: of sites as the watcher saw it last, of services as they say themselves."""
    beats = {one.service: one for one in await heartbeats(connection)}
    found = []
    for one in await watched(connection):
        [subject, part] = one.key
        beating = beats.pop(part, None) if subject == "hub" else None
        found.append(replace(one, expected=expected_of(beating)) if beating else one)
    found += [Watched(expected_of(beating)) for beating in beats.values()]
    return [one for one in found if one.expected.expected_by < now]


def expected_of(beating: Heartbeat) -> Expected:
    last_words = f"; it last missed: {beating.problem}" if beating.problem else ""
    effect = {
        "reporter": "no report is mailed, and what is said of sites here is as old as this",
        "ingest": "no site can hand its reads over; sites keep them",
    }.get(beating.service, "nobody can look")
    return Expected(
        "hub",
        beating.service,
        beating.seen_at,
        beating.expected_by,
        f"{beating.service} does not run, or cannot reach the database: {effect}{last_words}",
    )


def _watched(row: dict[str, Any]) -> Watched:
    return Watched(
        Expected(row["subject"], row["part"], row["last_at"], row["expected_by"], row["cause"]),
        row["late_since"],
        row["on_time_since"],
        frozenset(row["told"]),
    )
