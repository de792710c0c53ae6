"""What the console shows of a customer: sites, devices as last read, rounds by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from shared.store.postgres import Connection

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The first rows of a list, and how many there are in all."""

    rows: Rows
    total: int

    @property
    def rest(self) -> int:
        return self.total - len(self.rows)


async def customers(connection: Connection, limit: int) -> Shown:
    """id, name, time_zone; by name."""
    return await shown_rows(
        connection,
        "select id, name, time_zone, count(*) over () as all_rows from customer"
        " order by name limit %(limit)s",
        {"limit": limit},
    )


async def customer(connection: Connection, customer_id: int) -> dict[str, Any] | None:
    rows = await connection.execute(
        "select id, name, time_zone from customer where id = %s", (customer_id,)
    )
    return await rows.fetchone()


async def sites(connection: Connection, customer_id: int, limit: int) -> Shown:
    """name, last_read_at, last_contact_at, and clock_offset_s by which its clock is behind; by
    name."""
    return await shown_rows(
        connection,
        """
        select s.name, count(*) over () as all_rows,
            (select max(billed_at) from read r where r.site_id = s.id) as last_read_at,
            (select max(last_seen_at) from spool p where p.site_id = s.id) as last_contact_at,
            (select offset_s from clock_sample c where c.site_id = s.id
                order by arrived_at desc limit 1) as clock_offset_s
        from site s where s.customer_id = %(customer)s order by s.name limit %(limit)s
        """,
        {"customer": customer_id, "limit": limit},
    )


async def devices(
    connection: Connection, customer_id: int, recent_from: datetime, limit: int
) -> Shown:
    """Devices by key, with the last read that has meters, or entry by hand; else the last read:
    site, make, model, serial, address, billed_at, clock_offset_s (of the site then), entered_by,
    no_meters_because, total, mono, color; all None where there is no read.

    Args:
        recent_from: most devices were read since; the others' last reads are looked up singly.
    """
    return await shown_rows(
        connection,
        """
        with shown as (
            select id, key, held_because, count(*) over () as all_rows from device
            where customer_id = %(customer)s order by key limit %(limit)s
        ), recent as (
            select distinct on (device_id) * from (
                select e.device_id, r.site_id, r.id, r.billed_at, r.taken_at
                from read r join evidence e on e.site_id = r.site_id and e.read_id = r.id
                where r.site_id in (select id from site where customer_id = %(customer)s)
                    and r.billed_at > %(recent)s and e.device_id in (select id from shown)
                    and r.names is not null
                union all
                select device_id, site_id, id, billed_at, taken_at from placed_read
                where customer_id = %(customer)s and billed_at > %(recent)s
                    and entered_by is not null and device_id is not null
            ) metered order by device_id, billed_at desc, taken_at desc, id
        ), last as (
            select found.* from recent cross join lateral (
                select * from placed_read p
                where p.site_id = recent.site_id and p.id = recent.id limit 1
            ) found
            union all
            select earlier.* from shown cross join lateral (
                select * from placed_read p where p.device_id = shown.id
                order by p.names is null, p.billed_at desc, p.taken_at desc, p.id limit 1
            ) earlier
            where not exists (select from recent where recent.device_id = shown.id)
        )
        select shown.key, shown.held_because, shown.all_rows, last.site,
            coalesce(last.make, beside.make) as make, coalesce(last.model, beside.model) as model,
            coalesce(last.serial, beside.serial) as serial,
            coalesce(last.address, beside.address) as address,
            last.billed_at,
            extract(epoch from last.billed_at - last.taken_at)::float8 as clock_offset_s,
            last.entered_by, last.no_meters_because, m.total, m.mono, m.color
        from shown
        left join last on last.device_id = shown.id
        left join lateral (
            select r.make, r.model, r.serial, r.address
            from evidence e join read r on r.site_id = e.site_id and r.id = e.read_id
            where last.entered_by is not null and e.device_id = shown.id
            order by r.billed_at desc, r.id limit 1
        ) beside on true
        left join lateral (
            select max(amount) filter (where name = 'total') as total,
                max(amount) filter (where name = 'mono') as mono,
                max(amount) filter (where name = 'color') as color
            from unnest(last.names, last.amounts) as told (name, amount)
        ) m on true
        order by shown.key
        """,
        {"customer": customer_id, "recent": recent_from, "limit": limit},
    )


async def rounds(connection: Connection, customer_id: int, limit: int) -> Shown:
    """The newest rounds: site, kind, started_at, finished_at, interrupted, asked, answered,
    packets, bytes, and found = read + failed + open."""
    return await shown_rows(
        connection,
        """
        with newest as (
            select r.*, s.name as site, count(*) over () as all_rows
            from round r join site s on s.id = r.site_id
            where s.customer_id = %(customer)s
            order by r.started_at desc, r.id limit %(limit)s
        )
        select newest.*, o.found, o.read, o.failed, o.found - o.read - o.failed as open
        from newest cross join lateral (
            select count(distinct n.order_id) as found,
                count(distinct n.order_id) filter (where o.outcome = 'read') as read,
                count(distinct n.order_id) filter (where o.outcome = 'failed') as failed
            from round_name n
            left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id
            where n.site_id = newest.site_id and n.round_id = newest.id and n.kind = 'order'
        ) o
        order by newest.started_at desc, newest.id
        """,
        {"customer": customer_id, "limit": limit},
    )


async def missing_names(
    connection: Connection, round_: Mapping[str, Any], limit: int
) -> dict[str, Shown]:
    """Who of a round gave no meters, as target and note: "silent" for as many rounds as the
    site's scope says, "not reached", "no credential", "failed", and "open" for orders without an
    outcome yet."""
    where = {"site": round_["site_id"], "round": round_["id"], "limit": limit}
    named = {}
    for kind in ("silent", "not_reached", "no_credential"):
        named[kind.replace("_", " ")] = await shown_rows(
            connection,
            """
            select target, note, count(*) over () as all_rows from round_name
            where site_id = %(site)s and round_id = %(round)s and kind = %(kind)s
                and (silent_rounds is null
                    or silent_rounds >= (select silent_after(%(site)s)))
            order by part, position limit %(limit)s
            """,
            where | {"kind": kind},
        )
    for title, outcome in (("failed", "failed"), ("open", None)):
        named[title] = await shown_rows(
            connection,
            """
            select n.target, coalesce(o.reason, a.reason) as note, count(*) over () as all_rows
            from round_name n
            left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id
            left join order_aside a on a.site_id = n.site_id and a.order_id = n.order_id
            where n.site_id = %(site)s and n.round_id = %(round)s and n.kind = 'order'
                and o.outcome is not distinct from %(outcome)s
            order by n.part, n.position limit %(limit)s
            """,
            where | {"outcome": outcome},
        )
    return named


async def shown_rows(
    connection: Connection, sql: LiteralString, values: Mapping[str, Any]
) -> Shown:
    rows = await (await connection.execute(sql, values)).fetchall()
    return Shown(rows, rows[0]["all_rows"] if rows else 0)
