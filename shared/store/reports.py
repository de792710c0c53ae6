"""What a report is made from: devices, their reads, what is held, what rounds did."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from shared.store.postgres import Connection

_READS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class StoredRead:
    """A read's meters and what decides whether two reads count the same thing."""

    id: UUID
    site_id: int
    taken_at: datetime  # by the site's clock
    billed_at: datetime  # by the hub's: it decides which period the read is of
    received_at: datetime
    profile: str
    meters: Mapping[str, int]
    units: Mapping[str, str]
    basis: str | None = None
    large_counts: int | None = None
    no_meters_because: str | None = None
    sources_id: UUID | None = None  # the same where the meters came from the same rows
    corrected_at: datetime | None = None  # its meters are those of a correction made then
    entered_by: str | None = None  # who read it off the device

    @property
    def clock_offset_s(self) -> float:
        """How far the site's clock was behind then; below 0: ahead."""
        return (self.billed_at - self.taken_at).total_seconds()


def sources_id(sources: Mapping[str, Sequence[str]]) -> UUID:
    """The same for two reads whose meters came from the same OIDs."""
    return _sources_id(tuple(sources), tuple(map(tuple, sources.values())))


@lru_cache(maxsize=256)  # they are for all devices of a model
def _sources_id(names: tuple[str, ...], oids: tuple[tuple[str, ...], ...]) -> UUID:
    pairs = zip(names, map(list, oids), strict=True)
    return uuid5(NAMESPACE_OID, repr(sorted(pairs)))


@dataclass(frozen=True, slots=True)
class ReadOrigin:
    """Which device a read says that it is of, and how it came."""

    site: str
    agent: str
    target: str
    make: str | None = None
    model: str | None = None
    serial: str | None = None
    mac: str | None = None
    hostname: str | None = None
    address: str | None = None
    asset_tag: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class KnownDevice:
    key: str
    held_because: str | None  # two live devices show this key


@dataclass(frozen=True, slots=True)
class HeldRead:
    """The newest of the reads that are no device's yet, of one target, serial and MAC."""

    read: StoredRead
    origin: ReadOrigin
    because: str
    times: int


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """What the rounds of a time did: found is read + failed."""

    rounds: int = 0
    interrupted: int = 0
    found: int = 0
    read: int = 0
    failed: int = 0
    packets: int = 0  # of searches, both ways
    bytes: int = 0
    silent: int = 0  # known devices that a site's last round tells as silent


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class Schedule:
    id: int
    customer: Customer
    cron: str
    since: datetime  # made, or last due: what was due later has no report yet


async def customer_named(connection: Connection, name: str) -> Customer | None:
    rows = await connection.execute(
        "select id, name, time_zone as zone from customer where name = %s", (name,)
    )
    row = await rows.fetchone()
    return Customer(**row) if row else None


async def customer_names(connection: Connection, limit: int = 20) -> list[str]:
    rows = await connection.execute("select name from customer order by name limit %s", (limit,))
    return [row["name"] for row in await rows.fetchall()]


async def schedules(connection: Connection) -> list[Schedule]:
    """All schedules. An occasion of one is "schedule ID due 2026-11-01T06:00:00Z"."""
    rows = await connection.execute(
        """
        select s.id, s.cron, s.created_at, c.id as customer_id, c.name, c.time_zone,
            (select max(split_part(r.occasion, ' ', 4)) from report r
             where r.customer_id = c.id and r.occasion like 'schedule ' || s.id || ' due %')
                as last_due
        from schedule s join customer c on c.id = s.customer_id order by s.id
        """
    )
    return [
        Schedule(
            id=row["id"],
            customer=Customer(row["customer_id"], row["name"], row["time_zone"]),
            cron=row["cron"],
            since=datetime.fromisoformat(row["last_due"]) if row["last_due"] else row["created_at"],
        )
        for row in await rows.fetchall()
    ]


# -- what is reported -------------------------------------------------------------------------


async def one_snapshot(connection: Connection, longest_s: int = 120) -> None:
    """All queries of this transaction see the same rows, each for `longest_s`; call it first."""
    await connection.execute("set transaction isolation level repeatable read, read only")
    await connection.execute("select set_config('statement_timeout', %s, true)", (f"{longest_s}s",))


async def reported_at(connection: Connection, customer_id: int, end: datetime) -> datetime | None:
    """When the customer's newest report up to `end` was made, at that instant or later."""
    rows = await connection.execute(
        "select max(made_at) as at from report"
        " where customer_id = %s and period_to = %s and made_at >= period_to",
        (customer_id, end),
    )
    row = await rows.fetchone()
    return row["at"] if row else None


async def devices_of(
    connection: Connection, customer_id: int, start: datetime, end: datetime
) -> dict[int, KnownDevice]:
    """The customer's devices by id: known by `end`, and not taken away before `start`."""
    rows = await connection.execute(
        """
        select d.id, d.key, d.held_because from device d
        where d.customer_id = %(customer)s and d.first_read_at <= %(end)s
            and (not exists (select from assignment a where a.device_id = d.id)
                or exists (select from assignment a where a.device_id = d.id
                    and a.from_at < %(end)s and a.to_at > %(start)s))
        """,
        {"customer": customer_id, "start": start, "end": end},
    )
    return {
        row["id"]: KnownDevice(row["key"], row["held_because"]) for row in await rows.fetchall()
    }


async def device_reads(
    connection: Connection,
    customer_id: int,
    devices: Collection[int],
    start: datetime,
    end: datetime,
    look_back: timedelta,
) -> AsyncIterator[tuple[int, list[StoredRead]]]:
    """Each device with its reads from `look_back` before `start` to `end`, by device and time.

    A device without meters in the look-back has the last read before `start` too, so that the
    opening read is always among them.
    """
    earlier = await _last_before(connection, customer_id, devices, start, look_back)
    cursor = connection.cursor(name="device_reads")
    await cursor.execute(
        """
        select device_id, id, site_id, taken_at, billed_at, received_at, profile, basis,
            large_counts, no_meters_because, sources_id, corrected_at, names, amounts, units,
            entered_by
        from placed_read
        where customer_id = %(customer)s and billed_at > %(from)s and billed_at <= %(end)s
            and device_id = any(%(devices)s)
        order by device_id, billed_at, taken_at, id
        """,
        {
            "customer": customer_id,
            "from": start - look_back,
            "end": end,
            "devices": list(devices),
        },
    )
    unread = set(devices)
    device, reads = None, list[StoredRead]()
    while rows := await cursor.fetchmany(_READS_AT_ONCE):
        for row in rows:
            if row["device_id"] != device:
                if device is not None:
                    yield device, reads
                device = row["device_id"]
                unread.discard(device)
                reads = earlier.get(device, []).copy()
            reads.append(_read(row))
    if device is not None:
        yield device, reads
    for device in sorted(unread):
        yield device, earlier.get(device, [])


async def _last_before(
    connection: Connection,
    customer_id: int,
    devices: Collection[int],
    start: datetime,
    look_back: timedelta,
) -> dict[int, list[StoredRead]]:
    """Of each device without meters in the look-back: its last read before `start`, with meters
    where it ever had any."""
    rows = await connection.execute(
        """
        with quiet as (
            select device_id from unnest(%(devices)s::bigint[]) as device_id
            except
            select device_id from placed_read
            where customer_id = %(customer)s
                and billed_at > %(from)s and billed_at <= %(start)s and names is not null
        )
        select last.* from quiet
        cross join lateral (
            select * from placed_read p
            where p.device_id = quiet.device_id and billed_at <= %(start)s
                and billed_at >= timestamptz '2000-01-01 00:00Z'  -- else a clock was not set
            order by names is null, billed_at desc, taken_at desc, id desc limit 1
        ) last
        """,
        {
            "customer": customer_id,
            "devices": list(devices),
            "start": start,
            "from": start - look_back,
        },
    )
    return {row["device_id"]: [_read(row)] for row in await rows.fetchall()}


async def read_origins(
    connection: Connection, reads: Sequence[StoredRead]
) -> dict[UUID, ReadOrigin]:
    """Of a meter that was entered, what the device's reads next to it say that it is."""
    rows = await connection.execute(
        """
        with wanted as (
            select * from unnest(%s::bigint[], %s::uuid[]) as wanted (site_id, id)
        ), of_read as (
            select w.id, r.site_id, r.agent, r.target, r.make, r.model, r.serial, r.mac,
                r.hostname, r.address, r.asset_tag, r.location
            from wanted w join read r on r.site_id = w.site_id and r.id = w.id
        ), of_entry as (
            select h.id, h.site_id, 'hub' as agent, 'entered' as target, near.make, near.model,
                near.serial, near.mac, near.hostname, near.address, near.asset_tag, near.location
            from wanted w join entered_meter h on h.site_id = w.site_id and h.id = w.id
            left join lateral (
                select r.* from evidence e
                join evidence other on other.device_id = e.device_id
                join read r on r.site_id = other.site_id and r.id = other.read_id
                where e.site_id = h.site_id and e.read_id = h.id
                order by abs(extract(epoch from r.billed_at - h.read_at)), r.id limit 1
            ) near on true
        )
        select o.*, s.name as site from (table of_read union all table of_entry) o
        join site s on s.id = o.site_id
        """,
        ([read.site_id for read in reads], [read.id for read in reads]),
    )
    return {row["id"]: _origin(row) for row in await rows.fetchall()}


async def read_sources(
    connection: Connection, reads: Sequence[StoredRead]
) -> dict[UUID, dict[str, list[str]]]:
    """Which OIDs each meter of a read came from; from the messages as they were received, and
    the corrections that are in force."""
    rows = await connection.execute(
        """
        select m.id, coalesce(c.body, m.body) as body
        from unnest(%s::bigint[], %s::uuid[]) as wanted (site_id, id)
        join outcome o on o.site_id = wanted.site_id and o.id = wanted.id
        join message m on m.site_id = o.site_id and m.ledger_no = o.ledger_no and m.id = o.id
        left join read r on r.site_id = o.site_id and r.id = o.id
        left join correction c on c.site_id = r.site_id and c.id = r.correction_id
        """,
        ([read.site_id for read in reads], [read.id for read in reads]),
    )
    return {row["id"]: json.loads(row["body"]).get("sources", {}) for row in await rows.fetchall()}


async def held_reads(
    connection: Connection, customer_id: int, start: datetime, end: datetime, limit: int
) -> list[HeldRead]:
    rows = await connection.execute(
        """
        select distinct on (site_id, target, serial, mac) *,
            count(*) over (partition by site_id, target, serial, mac) as times
        from placed_read
        where customer_id = %(customer)s and billed_at > %(start)s and billed_at <= %(end)s
            and held_because is not null
        order by site_id, target, serial, mac, billed_at desc, id
        limit %(limit)s
        """,
        {"customer": customer_id, "start": start, "end": end, "limit": limit},
    )
    return [
        HeldRead(_read(row), _origin(row), row["held_because"], row["times"])
        for row in await rows.fetchall()
    ]


async def round_counts(
    connection: Connection, customer_id: int, start: datetime, end: datetime
) -> RoundCounts:
    rows = await connection.execute(
        """
        with rounds as (
            select * from round
            where site_id in (select id from site where customer_id = %(customer)s)
                and started_at > %(start)s and started_at <= %(end)s
        ), latest as materialized (  -- else the scope is read for each name
            select site_id, id, silent_after(site_id) as least from (
                select distinct on (site_id) site_id, id from rounds
                where kind <> 'asked' order by site_id, started_at desc, id
            ) last
        ), orders as (
            select distinct n.site_id, n.order_id, o.outcome from rounds
            join round_name n on n.site_id = rounds.site_id and n.round_id = rounds.id
                and n.kind = 'order'
            left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id
        )
        select (select count(*) from rounds) as rounds,
            (select count(*) from rounds where interrupted) as interrupted,
            (select coalesce(sum(packets), 0)::bigint from rounds) as packets,
            (select coalesce(sum(bytes), 0)::bigint from rounds) as bytes,
            (select count(distinct n.target) from latest
             join round_name n on n.site_id = latest.site_id and n.round_id = latest.id
             where n.kind = 'silent'
                and (n.silent_rounds is null or n.silent_rounds >= latest.least))
                as silent,
            (select count(*) from orders) as found,
            (select count(*) from orders where outcome = 'read') as read,
            (select count(*) from orders where outcome = 'failed') as failed
        """,
        {"customer": customer_id, "start": start, "end": end},
    )
    row = await rows.fetchone()
    return RoundCounts(**row) if row else RoundCounts()


def _read(row: Mapping[str, Any]) -> StoredRead:
    names = row["names"] or []
    return StoredRead(
        id=row["id"],
        site_id=row["site_id"],
        taken_at=row["taken_at"],
        billed_at=row["billed_at"],
        received_at=row["received_at"],
        profile=row["profile"],
        meters=dict(zip(names, row["amounts"] or [], strict=True)),
        units=dict(zip(names, row["units"] or [], strict=True)),
        basis=row["basis"],
        large_counts=row["large_counts"],
        no_meters_because=row["no_meters_because"],
        sources_id=row["sources_id"],
        corrected_at=row["corrected_at"],
        entered_by=row["entered_by"],
    )


def _origin(row: Mapping[str, Any]) -> ReadOrigin:
    return ReadOrigin(**{name: row[name] for name in ReadOrigin.__slots__})
