"""Corrections of reads, and the stored reads that they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from shared.fields import Count, Instant, MeterName, Oid, Text
from shared.message import Part
from shared.messages import MeterRead, usual_unit
from shared.store.postgres import Connection
from shared.store.reports import Customer, StoredRead, sources_id


class Correction(Part):
    """All meters of a read as another profile gives them, instead of those that it had.

    A meter that is absent here is not reported, whatever the read said of it.
    """

    id: UUID
    read: UUID
    read_digest: str  # SHA-256 of the read's body as the hub received it, in hex
    replaces: UUID  # the read, or the correction that was in force
    profile: Text  # "kyocera@2"
    profile_digest: str  # SHA-256 of what the profile says of meters, in hex
    author: Text
    reason: Text
    corrected_at: Instant
    meters: Annotated[dict[MeterName, Count], Field(max_length=500)]
    no_meters_because: Text | None
    notes: Annotated[list[Text], Field(max_length=50)]
    sources: dict[MeterName, list[Oid]]
    basis: Literal["life", "equivalent"] | None
    large_counts: Literal[1, 2] | None
    units: dict[MeterName, Text]


@dataclass(frozen=True, slots=True)
class KeptRead:
    """A read as the hub has it: the message's body, and the correction that is in force."""

    site_id: int
    id: UUID
    billed_at: datetime
    body: bytes
    digest: bytes
    device_id: int | None
    correction: Correction | None


@dataclass(frozen=True, slots=True)
class SiteOfCustomer:
    id: int
    name: str
    customer: Customer


async def sites_by_customer(connection: Connection) -> list[SiteOfCustomer]:
    rows = await connection.execute(
        "select s.id, s.name, c.id as customer_id, c.name as customer, c.time_zone"
        " from site s join customer c on c.id = s.customer_id order by c.name, s.name"
    )
    return [
        SiteOfCustomer(
            row["id"],
            row["name"],
            Customer(row["customer_id"], row["customer"], row["time_zone"]),
        )
        for row in await rows.fetchall()
    ]


async def hub_clock(connection: Connection) -> datetime:
    """Now by the hub's clock: that of the box on which somebody types may be slow."""
    row = await (await connection.execute("select clock_timestamp() as now")).fetchone()
    assert row is not None
    now: datetime = row["now"]
    return now


async def kept_reads(
    connection: Connection,
    site_id: int,
    after: tuple[datetime, UUID],
    end: datetime,
    limit: int,
) -> list[KeptRead]:
    """The next reads of a site by time and id, after one and before an instant."""
    rows = await connection.execute(
        """
        select r.id, r.billed_at, m.body, m.digest, e.device_id, c.body as correction
        from (
            select * from read
            where site_id = %(site)s and (billed_at, id) > (%(at)s, %(id)s) and billed_at < %(end)s
            order by billed_at, id limit %(limit)s
        ) r
        join outcome o on o.site_id = r.site_id and o.id = r.id
        join message m on m.site_id = o.site_id and m.ledger_no = o.ledger_no
            and m.received_at = o.received_at
        left join evidence e on e.site_id = r.site_id and e.read_id = r.id
        left join correction c on c.site_id = r.site_id and c.id = r.correction_id
        order by r.billed_at, r.id
        """,
        {"site": site_id, "at": after[0], "id": after[1], "end": end, "limit": limit},
    )
    return [
        KeptRead(
            site_id,
            row["id"],
            row["billed_at"],
            bytes(row["body"]),
            bytes(row["digest"]),
            row["device_id"],
            Correction.model_validate_json(row["correction"]) if row["correction"] else None,
        )
        for row in await rows.fetchall()
    ]


async def corrections_of(
    connection: Connection, site_id: int, read_id: UUID
) -> list[tuple[int, Correction]]:
    """A read's corrections in the order in which they were made, each with its ledger number."""
    rows = await connection.execute(
        "select ledger_no, body from correction where site_id = %s and read_id = %s"
        " order by ledger_no",
        (site_id, read_id),
    )
    return [
        (row["ledger_no"], Correction.model_validate_json(row["body"]))
        for row in await rows.fetchall()
    ]


@dataclass(frozen=True, slots=True)
class IssuedReport:
    """The newest workbook of a customer and a period."""

    id: UUID
    customer: Customer
    period_from: datetime
    period_to: datetime
    time_zone: str
    made_at: datetime


async def reports_to_look_at(connection: Connection, since: datetime) -> list[IssuedReport]:
    """The newest report of each customer and period, of those with reads taken since `since` that
    were corrected after it was made, by customer and period."""
    rows = await connection.execute(
        """
        with newest as (
            select distinct on (customer_id, period_from, period_to)
                id, customer_id, period_from, period_to, time_zone, made_at
            from report order by customer_id, period_from, period_to, made_at desc, id
        )
        select n.*, c.name, c.time_zone as customer_zone
        from newest n join customer c on c.id = n.customer_id
        where exists (
            select from read r join site s on s.id = r.site_id
            where s.customer_id = n.customer_id and r.corrected_at > n.made_at
                and r.billed_at >= %s and r.billed_at <= n.period_to
        )
        order by c.name, n.period_from, n.period_to
        """,
        (since,),
    )
    return [
        IssuedReport(
            row["id"],
            Customer(row["customer_id"], row["name"], row["customer_zone"]),
            *(row["period_from"], row["period_to"], row["time_zone"], row["made_at"]),
        )
        for row in await rows.fetchall()
    ]


async def corrected_devices(connection: Connection, report: IssuedReport) -> set[int]:
    """Devices with reads up to the report's end that were corrected after it was made."""
    rows = await connection.execute(
        """
        select distinct e.device_id from read r
        join site s on s.id = r.site_id
        join evidence e on e.site_id = r.site_id and e.read_id = r.id
        where s.customer_id = %s and r.corrected_at > %s and r.billed_at <= %s
            and e.device_id is not null
        """,
        (report.customer.id, report.made_at, report.period_to),
    )
    return {row["device_id"] for row in await rows.fetchall()}


async def as_they_were(
    connection: Connection, reads: Sequence[StoredRead], at: datetime
) -> tuple[dict[UUID, StoredRead], dict[UUID, dict[str, list[str]]]]:
    """Those of `reads` that the hub had at an instant, as they were then, by id; and of those that
    were corrected since, the OIDs that each meter came from."""
    known = [read for read in reads if read.received_at <= at]
    changed = [read for read in known if read.corrected_at and read.corrected_at > at]
    rows = await connection.execute(
        """
        select wanted.id, m.body, last.body as correction
        from unnest(%(sites)s::bigint[], %(ids)s::uuid[]) as wanted (site_id, id)
        join outcome o on o.site_id = wanted.site_id and o.id = wanted.id
        join message m on m.site_id = o.site_id and m.ledger_no = o.ledger_no
            and m.received_at = o.received_at
        left join lateral (
            select body from correction c
            where c.site_id = wanted.site_id and c.read_id = wanted.id
                and c.corrected_at <= %(at)s
            order by c.ledger_no desc limit 1
        ) last on true
        """,
        {
            "sites": [read.site_id for read in changed],
            "ids": [read.id for read in changed],
            "at": at,
        },
    )
    then = {row["id"]: _then(row) for row in await rows.fetchall()}
    return {read.id: _as(read, then.get(read.id)) for read in known}, {
        read_id: source.sources for read_id, source in then.items()
    }


def _then(row: dict[str, Any]) -> MeterRead | Correction:
    if row["correction"]:
        return Correction.model_validate_json(row["correction"])
    return MeterRead.model_validate_json(row["body"])


def _as(read: StoredRead, then: MeterRead | Correction | None) -> StoredRead:
    if then is None:
        return read
    return replace(
        read,
        profile=then.profile,
        meters=then.meters,
        units={name: then.units.get(name) or usual_unit(name) for name in then.meters},
        basis=then.basis,
        large_counts=then.large_counts,
        no_meters_because=then.no_meters_because,
        sources_id=sources_id(then.sources),
        corrected_at=then.corrected_at if isinstance(then, Correction) else None,
    )
