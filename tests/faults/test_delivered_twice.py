"""Services killed with -9 at random points, messages delivered twice: every round closes.

Seeded; the seed is printed, and PAGETALLY_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest
from psycopg import sql

from services.ingest.gaps import gaps
from services.ingest.keys import add_key
from services.ingest.sites import Site, add_customer, add_site
from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.port import POLLER_FOUND, UPLOADER_EVENTS
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.decode import decode
from shared.message import Message
from shared.messages import DeviceFound, SnmpTarget, order_id
from shared.store.postgres import Store
from shared.store.rounds import RoundAtHub, round_at_hub
from shared.store.scope import set_scope
from tests.flow.fleet import WALKS, addressed, devices
from tests.flow.stack import Stack

LONG = os.environ.get("PAGETALLY_FAULTS") == "long"
ROUNDS = 100 if LONG else 20
SNMP_PORT = 16321
SEGMENT = "127.41.0.0/26"
SERVICES = ("discovery", "poller", "poller-2", "uploader", "ingest", "reporter")


async def test_killed_at_random_points_every_round_closes(
    rabbit_vhost: str,
    store: Store,
    store_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """20 rounds, one service killed in each: each order has exactly one outcome at the hub."""
    seed = int(os.environ.get("PAGETALLY_SEED", random.randrange(2**32)))
    with capsys.disabled():
        sys.stdout.write(f" PAGETALLY_SEED={seed} ")
    dice = random.Random(seed)
    by_address, agents = addressed(devices(WALKS), "127.41.0.1", SNMP_PORT)
    targets = [SnmpTarget(snmp=address, port=SNMP_PORT) for address in by_address]
    stack = Stack(
        tmp_path, broker=rabbit_vhost, database=store_url, networks=[SEGMENT], snmp_port=SNMP_PORT
    )
    await add_customer(store, "Example")
    site = await add_site(store, "Example", "north")
    stack.put_key(await add_key(store, site))
    stack.start(*SERVICES)
    victims = [service for _ in range(ROUNDS // len(SERVICES) + 1) for service in SERVICES]
    dice.shuffle(victims)
    asked: list[UUID] = []
    try:
        async with simulate(agents):
            for victim in victims[:ROUNDS]:
                round_id = await ask(store, site, asked)
                await asyncio.sleep(dice.uniform(0.0, 2.5))
                stack.restart(victim)
                arrived = await closed(store, round_id, stack)
                assert arrived.orders == len(targets), (victim, arrived)
                named = await named_orders(store, round_id)
                assert named == {str(order_id(round_id, target)) for target in targets}
        codes = stack.stop()
        # the one that was started last may be told while Python still imports
        assert codes.pop(victim) in (0, -signal.SIGTERM)
        assert set(codes.values()) == {0}, codes
    finally:
        stack.stop(5)
    assert await gaps(store, site) == []
    assert await twice_answered(store) == 0


async def test_every_message_delivered_twice_is_stored_once(
    rabbit_vhost: str, store: Store, store_url: str, tmp_path: Path
) -> None:
    """Orders and events come over the broker again, and every batch goes to the hub again."""
    by_address, agents = addressed(devices(WALKS), "127.41.0.1", SNMP_PORT)
    stack = Stack(
        tmp_path, broker=rabbit_vhost, database=store_url, networks=[SEGMENT], snmp_port=SNMP_PORT
    )
    await add_customer(store, "Example")
    site = await add_site(store, "Example", "north")
    stack.put_key(await add_key(store, site))
    try:
        async with simulate(agents):
            stack.start("discovery", "poller", "uploader", "ingest")
            round_id = await ask(store, site, [])
            await closed(store, round_id, stack)
            await until_all_sent(stack)
            before = await stored(store)
            asked_once = {address: agent.requests for address, agent in agents.items()}
            again = [*orders_again(round_id, by_address), *spooled(stack.spool)]
            async with publishing(rabbit_vhost) as bus:
                for message in again:
                    await bus.publish(message)
            await read_again(agents, asked_once)
            wait_again(stack.spool)
            stack.restart("uploader")
            await until_all_sent(stack)
        codes = stack.stop()
        assert set(codes.values()) == {0}, codes
    finally:
        stack.stop(5)

    assert await stored(store) == before
    assert len(before["outcome"]) == len(by_address) + 1  # the reads, and the round's end
    assert await gaps(store, site) == []


async def test_a_device_whose_answer_kills_the_poller_takes_no_neighbour_along(
    rabbit_vhost: str, store: Store, store_url: str, tmp_path: Path
) -> None:
    by_address, agents = addressed(devices(WALKS), "127.41.0.1", SNMP_PORT)
    poison = sorted(by_address)[4]
    stack = Stack(
        tmp_path, broker=rabbit_vhost, database=store_url, networks=[SEGMENT], snmp_port=SNMP_PORT
    )
    stack.commands["poller"] = ["tests.faults.poisoned_poller"]
    stack.environment["POISON"] = poison
    await add_customer(store, "Example")
    site = await add_site(store, "Example", "north")
    stack.put_key(await add_key(store, site))
    deaths = 0
    try:
        async with simulate(agents):
            stack.start("discovery", "poller", "uploader", "ingest")
            round_id = await ask(store, site, [])
            end = time.monotonic() + 120
            while not ((arrived := await round_at_hub(store, round_id)) and arrived.closed):
                assert time.monotonic() < end, stack.said("poller")
                if "poller" in stack.ended():
                    deaths += 1
                    stack.restart("poller")
                await asyncio.sleep(0.1)
    finally:
        stack.stop(10)

    assert (arrived.read, arrived.failed) == (len(by_address) - 1, 1)
    [failed] = (await stored(store))["read_failed"]
    assert failed[1] == "ended the poller 10 times"
    assert deaths == 10


async def ask(store: Store, site: Site, asked: list[UUID]) -> UUID:
    """Order a search in the site's scope; gives the id that its round will have."""
    asked.append(uuid4())
    until = utc_now() + timedelta(hours=1)
    await set_scope(
        store,
        site.id,
        {
            "segments": [SEGMENT],
            "credentials": [{"range": SEGMENT, "credentials": ["public"]}],
            "search_schedule": "0 0 1 1 *",
            "read_schedule": "0 0 1 1 *",
            "asks": [{"id": str(one), "kind": "search", "until": until} for one in asked[-5:]],
        },
        author="test",
        now=utc_now(),
    )
    return uuid5(asked[-1], "round agent")


async def closed(store: Store, round_id: UUID, stack: Stack, within_s: float = 60) -> RoundAtHub:
    end = time.monotonic() + within_s
    arrived: RoundAtHub | None = None
    while time.monotonic() < end:
        arrived = await round_at_hub(store, round_id)
        if arrived and arrived.closed:
            return arrived
        for name in stack.ended():
            pytest.fail(f"{name} ended by itself:\n{stack.said(name)}")
        await asyncio.sleep(0.1)
    pytest.fail(f"round {round_id} is not closed: {arrived}\n{stack.said('discovery')}")


async def until_all_sent(stack: Stack, within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with sqlite3.connect(stack.spool) as spool:
            [waiting] = spool.execute(
                "select count(*) from message where state = 'waiting'"
            ).fetchone()
        if waiting == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"{waiting} messages still wait\n{stack.said('uploader')}")


async def named_orders(store: Store, round_id: UUID) -> set[str]:
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select order_id from order_outcome where round_id = %s", (round_id,)
        )
        return {str(row["order_id"]) for row in await cursor.fetchall()}


async def twice_answered(store: Store) -> int:
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select count(*) as n from (select site_id, order_id from order_outcome"
            " group by site_id, order_id having count(*) > 1) twice"
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row["n"])


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
