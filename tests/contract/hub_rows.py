"""Rows of the hub, as ingest writes them, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from shared.store.postgres import Store
from shared.store.reports import Customer


@dataclass
class Hub:
    """One customer with one site, and what a test puts into it."""

    store: Store
    customer: Customer
    site_id: int

    async def device(self, serial: str, first_read_at: str) -> int:
        row = await self.one(
            "insert into device (customer_id, key, first_read_at) values (%s, %s, %s) returning id",
            self.customer.id,
            f"serial BROTHER {serial}",
            at(first_read_at),
        )
        return int(row["id"])

    async def read(
        self,
        taken_at: str,
        meters: Mapping[str, int],
        device: int | None = None,
        *,
        held: str | None = None,
        round_id: UUID | None = None,
        **columns: Any,
    ) -> UUID:
        read_id = uuid4()
        row = {
            "site_id": self.site_id,
            "id": read_id,
            "order_id": uuid4(),
            "round_id": round_id or uuid4(),
            "taken_at": at(taken_at),
            "received_at": at(taken_at),
            "billed_at": at(taken_at),
            "agent": "agent",
            "target": "snmp:[10.0.0.7]:161",
            "profile": "rfc3805@1",
            "make": "Brother",
            "model": "HL-L2350DW",
            "address": "10.0.0.7",
            "basis": "life",
            "no_meters_because": None if meters else "no counter row",
            "names": list(meters) or None,
            "amounts": list(meters.values()) or None,
            "units": ["impressions"] * len(meters) or None,
            **columns,
        }
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        async with self.store.transaction() as connection:
            insert = f"insert into read ({names}) values ({places})"
            await connection.execute(insert.encode(), list(row.values()))
            await connection.execute(
                "insert into evidence values (%s, %s, %s, %s)",
                (self.site_id, read_id, device, held),
            )
        return read_id

    async def one(self, sql: str, *values: object) -> dict[str, Any]:
        async with self.store.transaction() as connection:
            row = await (await connection.execute(sql.encode(), values)).fetchone()
        assert row is not None
        return row

    async def run(self, sql: str, *values: object) -> None:
        async with self.store.transaction() as connection:
            await connection.execute(sql.encode(), values)


async def new_hub(store: Store, name: str = "Acme", zone: str = "UTC") -> Hub:
    async with store.transaction() as connection:
        rows = await connection.execute(
            "insert into customer (name, time_zone) values (%s, %s) returning id", (name, zone)
        )
        customer = (await rows.fetchone() or {})["id"]
        rows = await connection.execute(
            "insert into site (customer_id, name) values (%s, %s) returning id",
            (customer, f"site-of-{customer}"),
        )
        site = (await rows.fetchone() or {})["id"]
    return Hub(store, Customer(customer, name, zone), site)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
