"""Everything that the broker and the uploader deliver, delivered once more."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.port import POLLER_FOUND, UPLOADER_EVENTS
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.decode import decode
from shared.message import Message
from shared.messages import DeviceFound, SnmpTarget, order_id
from shared.store.postgres import Store
from tests.faults.at_hub import AtHub
from tests.flow.fleet import WALKS, addressed, devices
from tests.flow.hub import eventually
from tests.flow.stack import Stack

SNMP_PORT = 16321
SEGMENT = "127.41.0.0/26"
WITHIN_S = 60.0


async def test_every_message_delivered_twice_is_stored_once(
    rabbit_vhost: str, store: Store, store_url: str, tmp_path: Path
) -> None:
    """Orders and events come over the broker again, and every batch goes to the hub again."""
    by_address, agents = addressed(devices(WALKS), "127.41.0.1", SNMP_PORT)
    stack = Stack(
        tmp_path, broker=rabbit_vhost, database=store_url, networks=[SEGMENT], snmp_port=SNMP_PORT
    )
    at_hub = AtHub(store, SEGMENT)
    stack.put_key(await at_hub.set_up())

    async def nothing_waits() -> bool:
        return stack.count_waiting() == 0

    def said() -> str:
        return stack.said("discovery") + stack.said("uploader")

    try:
        async with simulate(agents):
            stack.start("discovery", "poller", "uploader", "ingest")
            round_id = await at_hub.ask("search")
            await eventually(lambda: at_hub.is_closed(round_id), WITHIN_S, said)
            await eventually(nothing_waits, WITHIN_S, said)
            before = await stored(store)
            asked_once = {address: agent.requests for address, agent in agents.items()}
            again = [*orders_again(round_id, by_address), *spooled(stack.spool)]
            async with publishing(rabbit_vhost) as bus:
                for message in again:
                    await bus.publish(message)
            await read_again(agents, asked_once)
            wait_again(stack.spool)
            stack.restart("uploader")
            await eventually(nothing_waits, WITHIN_S, said)
        codes = stack.stop()
        assert set(codes.values()) == {0}, codes
    finally:
        stack.stop(5)

    assert await stored(store) == before
    assert len(before["outcome"]) == len(by_address) + 1  # the reads, and the round's end
    assert await at_hub.gaps() == []


async def stored(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """What the hub goes by, row by row; without lists of segments, which come on their own."""
    rows = {}
    async with store.transaction() as connection:
        for table, columns in (
            ("message where type <> 'segments.listed.v1'", "id, digest"),
            ("outcome where type <> 'segments.listed.v1'", "id, digest"),
            ("read", "id, taken_at, serial"),
            ("meter", "read_id, name, value"),
            ("read_failed", "id, reason"),
            ("round_name", "kind, target"),
        ):
            cursor = await connection.execute(
                sql.SQL(f"select {columns} from {table} order by {columns}")
            )
            rows[table.split()[0]] = [tuple(row.values()) for row in await cursor.fetchall()]
    return rows


def orders_again(round_id: UUID, addresses: Iterable[str]) -> list[Message]:
    targets = [SnmpTarget(snmp=address, port=SNMP_PORT) for address in addresses]
    return [
        DeviceFound(
            order=order_id(round_id, target),
            round=round_id,
            target=target,
            found_by="sweep",
            credential="public",
            read_before=utc_now() + timedelta(hours=1),
        )
        for target in targets
    ]


def spooled(spool: Path) -> list[Message]:
    with sqlite3.connect(spool) as db:
        rows = db.execute("select type, body from message").fetchall()
    return [decode(kind, body) for kind, body in rows]


def wait_again(spool: Path) -> None:
    """As an uploader is that was killed before it could note what the hub had answered."""
    with sqlite3.connect(spool) as db:
        db.execute("update message set state = 'waiting', reason = null, sent_at = null")


async def read_again(
    agents: dict[tuple[str, int], SimulatedAgent], before: dict[tuple[str, int], int]
) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if all(agent.requests > before[address] for address, agent in agents.items()):
            await asyncio.sleep(1)  # the last of them is on its way to the spool
            return
        await asyncio.sleep(0.1)
    pytest.fail("the orders were not carried out again")


@asynccontextmanager
async def publishing(url: str) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(url, feeds=[POLLER_FOUND, UPLOADER_EVENTS])
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()
