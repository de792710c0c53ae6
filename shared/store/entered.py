"""Meters that somebody entered by hand, and what is asked before one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from shared.fields import Count, Instant, MeterName, Name, Text
from shared.message import Part
from shared.store.postgres import Connection

_FUNCTIONS = ("print", "copy", "fax", "scan")
METER_NAMES = frozenset(
    {
        *("total", "mono", "color", "duplex", "sheets", "large_mono", "large_color"),
        *("service", "life_count", *_FUNCTIONS),
        *(f"{name}_{color}" for name in _FUNCTIONS for color in ("mono", "color")),
    }
)


class EnteredMeter(Part):
    """What somebody says that a device's counters showed at an instant.

    Without meters it takes back the entry that it replaces.
    """

    id: UUID
    site: Name
    device: Text  # its key then
    read_at: Instant
    entered_at: Instant  # by the hub's clock
    author: Text
    reason: Text
    meters: Annotated[dict[MeterName, Count], Field(max_length=50)]
    units: dict[MeterName, Text]
    lower_because: Text | None = None  # why a count is lower than one before it
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the hub has it."""

    entered: EnteredMeter
    site_id: int
    customer_id: int
    ledger_no: int
    digest: bytes
    device_id: int | None
    billed_as: str | None  # the device's key now
    replaced_by: UUID | None


@dataclass(frozen=True, slots=True)
class Metered:
    """A device whose meters may be entered, with the site that it is at."""

    id: int
    key: str
    held_because: str | None
    site_id: int
    site: str
    customer_id: int
    zone: str


@dataclass(frozen=True, slots=True)
class MadeReport:
    """A workbook that was made, and the days that it covers."""

    first: date
    last: date
    made_at: datetime


async def devices_called(connection: Connection, place: str, device: str) -> list[Metered]:
    """Devices of a site or a customer by their key or its last part: a serial number, a MAC
    address, HOST/QUEUE of a spooler."""
    rows = await connection.execute(
        """
        select d.id, d.key, d.held_because, s.id as site_id, s.name as site,
            c.id as customer_id, c.time_zone as zone
        from device d
        join assignment a on a.device_id = d.id and a.to_at = 'infinity'
        join site s on s.id = a.site_id
        join customer c on c.id = d.customer_id
        where %(place)s in (s.name, c.name)
            and (d.key = %(device)s or right(lower(d.key), length(%(device)s) + 1)
                = ' ' || lower(%(device)s))
        order by d.key limit 6
        """,
        {"place": place, "device": device},
    )
    return [Metered(**row) for row in await rows.fetchall()]


async def counts_around(
    connection: Connection, device_id: int, at: datetime, beside: UUID | None
) -> tuple[Mapping[str, tuple[int, datetime]], Mapping[str, tuple[int, datetime]]]:
    """Each meter's last count up to an instant and its first one after, with when that was.

    Args:
        beside: an entry that is not looked at.
    """
    around = []
    for after in (False, True):
        rows = await connection.execute(
            """
            select distinct on (m.name) m.name, m.amount, p.billed_at
            from placed_read p cross join lateral unnest(p.names, p.amounts) as m (name, amount)
            where p.device_id = %(device)s and p.id is distinct from %(beside)s
                and (p.billed_at > %(at)s) = %(after)s
            order by m.name, abs(extract(epoch from p.billed_at - %(at)s)), p.id
            """,
            {"device": device_id, "at": at, "beside": beside, "after": after},
        )
        found = await rows.fetchall()
        around.append({row["name"]: (row["amount"], row["billed_at"]) for row in found})
    return around[0], around[1]


async def entry_at(connection: Connection, device_id: int, at: datetime) -> UUID | None:
    """The entry in force of a device at an instant."""
    rows = await connection.execute(
        "select id from placed_read"
        " where device_id = %s and billed_at = %s and entered_by is not null limit 1",
        (device_id, at),
    )
    row = await rows.fetchone()
    return row["id"] if row else None


_ENTRIES = """
    select h.body, h.site_id, s.customer_id, h.ledger_no, h.digest, d.id as device_id,
        d.key as billed_as, later.id as replaced_by
    from entered_meter h
    join site s on s.id = h.site_id
    join customer c on c.id = s.customer_id
    left join evidence e on e.site_id = h.site_id and e.read_id = h.id
    left join device d on d.id = e.device_id
    left join entered_meter later on later.site_id = h.site_id and later.replaces = h.id
"""


async def entries_with_id(connection: Connection, entry_id: UUID) -> list[Entry]:
    rows = await connection.execute(_ENTRIES + " where h.id = %s", (entry_id,))
    return [_entry(row) for row in await rows.fetchall()]


async def entries_of(connection: Connection, place: str | None, limit: int) -> list[Entry]:
    """The newest entries of a site or a customer, or of all."""
    rows = await connection.execute(
        _ENTRIES + " where %(place)s::text is null or %(place)s in (s.name, c.name)"
        " order by h.entered_at desc, h.id limit %(limit)s",
        {"place": place, "limit": limit},
    )
    return [_entry(row) for row in await rows.fetchall()]


async def reports_over(connection: Connection, entry: Entry) -> list[MadeReport]:
    """The newest report of each period that an entry's reading lies in, or begins with."""
    rows = await connection.execute(
        """
        select distinct on (r.period_from, r.period_to)
            (r.period_from at time zone r.time_zone)::date as first,
            (r.period_to at time zone r.time_zone)::date - 1 as last, r.made_at
        from report r
        where r.customer_id = %(customer)s and r.period_to >= %(at)s
            and (r.period_from < %(at)s or not exists (
                select from placed_read p where p.device_id = %(device)s and p.names is not null
                    and p.billed_at > %(at)s and p.billed_at <= r.period_from))
        order by r.period_from, r.period_to, r.made_at desc
        """,
        {"customer": entry.customer_id, "at": entry.entered.read_at, "device": entry.device_id},
    )
    return [MadeReport(**row) for row in await rows.fetchall()]


async def note_known_since(connection: Connection, device_id: int, at: datetime) -> None:
    """A device with a meter at an instant was there then."""
    await connection.execute(
        "update device set first_read_at = %(at)s where id = %(id)s and first_read_at > %(at)s",
        {"id": device_id, "at": at},
    )


def _entry(row: dict[str, Any]) -> Entry:
    entered = EnteredMeter.model_validate_json(row.pop("body"))
    return Entry(entered, **row | {"digest": bytes(row["digest"])})


async def taken_back(
    connection: Connection, customer_id: int, start: datetime, reported_at: datetime
) -> dict[int, datetime]:
    """By device, the last instant up to `start` that a report made at `reported_at` counted to by
    an entry which was taken back or replaced since.
    """
    cursor = await connection.execute(
        """
        select e.device_id, max(h.read_at) as at
        from entered_meter h
        join entered_meter later on later.site_id = h.site_id and later.replaces = h.id
        join evidence e on e.site_id = h.site_id and e.read_id = h.id
        join site s on s.id = h.site_id
        where s.customer_id = %(customer)s and h.read_at <= %(start)s
            and h.entered_at <= %(reported)s and later.entered_at > %(reported)s
        group by e.device_id
        """,
        {"customer": customer_id, "start": start, "reported": reported_at},
    )
    return {row["device_id"]: row["at"] for row in await cursor.fetchall()}
