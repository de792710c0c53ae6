"""Who gets a customer's reports, and when."""

from __future__ import annotations

import re
from typing import Any

from services.ingest.sites import AdminError, customer_id_of
from shared.clock import utc_now
from shared.store.postgres import Store

_ADDRESS = re.compile(r"[^@\s<>,;\"\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,253}")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/#-]{1,100}")


async def add_recipient(store: Store, customer: str, address: str) -> None:
    """Raises: AdminError."""
    if not _ADDRESS.fullmatch(address):
        raise AdminError(f"{address!r} is not a mail address; such as billing@example.com")
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "insert into recipient (customer_id, address) values (%s, %s) on conflict do nothing",
            (await customer_id_of(connection, customer), address),
        )
    if cursor.rowcount == 0:
        raise AdminError(f"{address} gets the reports of {customer!r} already")


async def remove_recipient(store: Store, customer: str, address: str) -> None:
    """Raises: AdminError."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "delete from recipient where customer_id = %s and address = %s",
            (await customer_id_of(connection, customer), address),
        )
    if cursor.rowcount == 0:
        raise AdminError(f"{address} does not get the reports of {customer!r}")


async def recipients(store: Store) -> list[dict[str, Any]]:
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select c.name as customer, r.address from recipient r"
            " join customer c on c.id = r.customer_id order by c.name, r.address"
        )
        return await cursor.fetchall()


async def add_schedule(store: Store, customer: str, cron: str) -> None:
    """`cron` has five fields, in the customer's time zone. Raises: AdminError."""
    cron = " ".join(cron.split())
    fault = cron_fault(cron)
    if fault:
        raise AdminError(f"{cron!r} is no schedule: {fault}; the 1st at 6:00 is '0 6 1 * *'")
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "insert into schedule (customer_id, cron) values (%s, %s) on conflict do nothing",
            (await customer_id_of(connection, customer), cron),
        )
    if cursor.rowcount == 0:
        raise AdminError(f"{customer!r} has the schedule {cron!r} already")


async def remove_schedule(store: Store, customer: str, cron: str) -> None:
    """Raises: AdminError."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "delete from schedule where customer_id = %s and cron = %s",
            (await customer_id_of(connection, customer), " ".join(cron.split())),
        )
    if cursor.rowcount == 0:
        raise AdminError(f"{customer!r} has no schedule {cron!r}")


async def schedules(store: Store) -> list[dict[str, Any]]:
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select c.name as customer, s.cron, c.time_zone from schedule s"
            " join customer c on c.id = s.customer_id order by c.name, s.cron"
        )
        return await cursor.fetchall()


def cron_fault(cron: str) -> str | None:
    """What is wrong with a schedule, in words; None for nothing."""
    fields = cron.split()
    if len(fields) != 5:
        return f"it has {len(fields)} fields, not 5"
    for field in fields:
        if not _CRON_FIELD.fullmatch(field):
            return f"{field!r} cannot be one of its fields"
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        return None
    try:
        next(CronSim(cron, utc_now()))
    except (CronSimError, StopIteration) as error:
        return str(error) or "it never comes"
    return None
