"""Customers and their sites."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, LiteralString
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.clock import clock_off
from shared.store.postgres import Connection, Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class AdminError(Exception):
    """What was asked for cannot be done; one line says why."""


@dataclass(frozen=True)
class Site:
    id: int
    name: str
    customer_id: int


async def add_customer(store: Store, name: str, time_zone: str = "UTC") -> int:
    """Raises: AdminError, for a name that is taken or a time zone that is none."""
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise AdminError("a customer's name has 1 to 200 letters that can be printed")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AdminError(f"no time zone is called {time_zone!r}; try Europe/Berlin") from None
    async with store.transaction() as connection:
        row = await _one(
            connection,
            "insert into customer (name, time_zone) values (%s, %s)"
            " on conflict do nothing returning id",
            (name, time_zone),
        )
    if row is None:
        raise AdminError(f"there is a customer {name!r} already")
    return int(row["id"])


async def customers(store: Store) -> list[dict[str, Any]]:
    """id, name, time_zone, sites (how many), by name."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select c.id, c.name, c.time_zone, count(s.id) as sites"
            " from customer c left join site s on s.customer_id = c.id"
            " group by c.id order by c.name"
        )
        return await cursor.fetchall()


async def add_site(store: Store, customer: str, name: str) -> Site:
    """Raises: AdminError, for an unknown customer, a name that cannot be one or is taken."""
    if not _NAME.fullmatch(name):
        raise AdminError(f"{name!r}: a site's name has letters, digits, '.', '_', '-', at most 63")
    async with store.transaction() as connection:
        customer_id = await customer_id_of(connection, customer)
        row = await _one(
            connection,
            "insert into site (customer_id, name) values (%s, %s)"
            " on conflict do nothing returning id, name, customer_id",
            (customer_id, name),
        )
        if row is None:
            raise AdminError(f"there is a site {name!r} already")
        await connection.execute("insert into site_head (site_id) values (%s)", (row["id"],))
    return Site(**row)


async def sites(store: Store) -> list[dict[str, Any]]:
    """name, customer, keys in force, scope version or None, messages, last heard, and in words how
    wrong its clock is, or None; by name."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select s.name, c.name as customer, h.length as messages,"
            " (select count(*) from site_key k where k.site_id = s.id and revoked_at is null"
            " and coalesce(ends_at > now(), true)) as keys,"
            " (select max(version) from scope where site_id = s.id) as scope,"
            " (select max(last_seen_at) from spool where site_id = s.id) as last_heard,"
            " (select offset_s from clock_sample k where k.site_id = s.id"
            " order by arrived_at desc limit 1) as clock"
            " from site s join customer c on c.id = s.customer_id"
            " left join site_head h on h.site_id = s.id order by s.name"
        )
        rows = await cursor.fetchall()
    return [row | {"clock": clock_off(row["clock"])} for row in rows]


async def site_named(store: Store, name: str) -> Site:
    """Raises: AdminError."""
    async with store.transaction() as connection:
        row = await _one(
            connection, "select id, name, customer_id from site where name = %s", (name,)
        )
    if row is None:
        raise AdminError(f"there is no site {name!r}; see pagetally admin site list")
    return Site(**row)


async def customer_id_of(connection: Connection, name: str) -> int:
    """Raises: AdminError."""
    row = await _one(connection, "select id from customer where name = %s", (name,))
    if row is None:
        raise AdminError(f"there is no customer {name!r}; see pagetally admin customer list")
    return int(row["id"])


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


async def _one(
    connection: Connection, sql: LiteralString, values: tuple[object, ...]
) -> dict[str, Any] | None:
    return await (await connection.execute(sql, values)).fetchone()
