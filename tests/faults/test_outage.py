"""Long silences: a hub that was away for a week, and pollers that were down for three days."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bench.messages import office_reads
from services.ingest.gaps import gaps
from services.ingest.keys import add_key
from services.ingest.sites import add_customer, add_site
from services.uploader.boot import SinceBoot
from services.uploader.main import uploading
from services.uploader.settings import UploaderSettings
from shared.bus.local import LocalBus
from shared.bus.port import POLLER_FOUND, UPLOADER_EVENTS, Delivery
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.message import Message
from shared.messages import DeviceFound, ReadFailed, SnmpTarget, order_id
from shared.store.postgres import Store
from tests.flow.hub import eventually
from tests.flow.simulated import Simulated
from tests.flow.stack import Stack

LONG = os.environ.get("PAGETALLY_FAULTS") == "long"
DAYS, ROUNDS_A_DAY, DEVICES = 7, 4, 500 if LONG else 100
# by the wall clock: so long, and the uploader tries as seldom as it ever does
STILL_AWAY_S = 120.0 if LONG else 0.0
CATCH_UP_S = 60.0
MOST_MEMORY = 60_000_000
ROOM_KEPT = 20_000_000  # for a full disk, and the write-ahead log
ASLEEP = timedelta(days=3)
ORDERS_A_ROUND = 500 if LONG else 100


class WeekAgo:
    """The site's clock, which the test moves from a week ago to now."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.behind = timedelta(days=DAYS)

    def now(self) -> datetime:
        return utc_now() - self.behind

    def since_boot(self) -> SinceBoot:
        passed = timedelta(days=DAYS) - self.behind
        return SinceBoot("the only one", time.monotonic() - self._began + passed.total_seconds())


async def test_a_hub_that_was_away_for_a_week_has_all_within_a_minute(
    store: Store, store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reads of about 3 kB against ingest with its own limits; 14,000 of them in the long form."""
    stack = Stack(tmp_path, broker="", database=store_url, networks=[], snmp_port=161)
    del stack.environment["INGEST_REQUESTS_A_MINUTE"]
    await add_customer(store, "Example")
    site = await add_site(store, "Example", "north")
    stack.put_key(await add_key(store, site))
    clock, bus = WeekAgo(), LocalBus()
    settings = UploaderSettings(
        hub_url=stack.hub_url,
        key_file=Path(stack.environment["UPLOADER_KEY_FILE"]),
        ca_file=stack.ca.ca_cert,
        spool_file=stack.spool,
        ceiling_file=Path(stack.environment["UPLOADER_CEILING_FILE"]),
    )
    before = resident()
    orders: set[UUID] = set()
    try:
        async with uploading(settings, bus, now=clock.now, since_boot=clock.since_boot):
            for _ in range(DAYS * ROUNDS_A_DAY):
                clock.behind -= timedelta(days=1) / ROUNDS_A_DAY
                reads = office_reads(range(DEVICES), uuid4(), clock.now())
                await asyncio.gather(*map(bus.publish, reads))
                orders |= {read.order for read in reads}
            del reads
            grown = resident() - before
            spooled = octets_of(stack.spool)
            await asyncio.sleep(STILL_AWAY_S)
            stack.start("ingest")
            await eventually(stack.takes_connections, 30, lambda: stack.said("ingest"))
            back = time.monotonic()

            async def nothing_waits() -> bool:
                return stack.count_waiting() == 0

            await eventually(nothing_waits, 2 * CATCH_UP_S, lambda: stack.said("ingest"))
            seconds = time.monotonic() - back
    finally:
        stack.stop(10)
    with capsys.disabled():
        sys.stdout.write(
            f" {len(orders)} reads: spool {spooled / 1e6:.0f} MB, memory +{grown / 1e6:.0f} MB,"
            f" all at the hub {seconds:.0f} s after it was back "
        )

    async with store.transaction() as connection:
        rows = await (await connection.execute("select order_id from read")).fetchall()
    assert len(orders) == DAYS * ROUNDS_A_DAY * DEVICES
    assert Counter(row["order_id"] for row in rows) == Counter(orders)
    assert await gaps(store, site) == []
    assert seconds < CATCH_UP_S
    assert grown < MOST_MEMORY
    assert spooled < ROOM_KEPT + 6000 * len(orders)


async def test_pollers_that_were_down_for_three_days_wake_to_no_storm(
    rabbit_vhost: str, tmp_path: Path
) -> None:
    outcomes: list[ReadFailed] = []

    async def keep(message: Message, delivery: Delivery) -> Sequence[Message]:
        assert isinstance(message, ReadFailed)
        outcomes.append(message)
        return ()

    bus = RabbitBus(rabbit_vhost, feeds=[POLLER_FOUND])
    bus.on(UPLOADER_EVENTS, keep, prefetch=200)
    await bus.start()
    with Simulated("127.43.0.1", ORDERS_A_ROUND) as printers:
        stack = Stack(
            tmp_path,
            broker=rabbit_vhost,
            database="",
            networks=["127.43.0.0/21"],
            snmp_port=printers.port,
        )
        orders = old_orders(printers)
        try:
            await asyncio.gather(*map(bus.publish, orders))
            stack.start("poller", "poller-2", "poller-3")

            async def all_ended() -> bool:
                return len({one.order for one in outcomes}) == len(orders)

            await eventually(all_ended, 120, lambda: stack.said("poller"))
            asked = printers.seen().datagrams
        finally:
            stack.stop(10)
            await bus.stop()

    assert asked == 0
    assert Counter(one.order for one in outcomes) == Counter(one.order for one in orders)
    assert {(one.outcome, one.reason) for one in outcomes} == {("expired", "order expired")}


def old_orders(printers: Simulated) -> list[DeviceFound]:
    """Those that discovery gave while no poller ran; the last of them ran out an hour ago."""
    end = utc_now() - timedelta(hours=1)
    orders = []
    for number in range(ASLEEP.days * ROUNDS_A_DAY):
        round_id = uuid4()
        for address in printers.addresses:
            target = SnmpTarget(snmp=address, port=printers.port)
            orders.append(
                DeviceFound(
                    order=order_id(round_id, target),
                    round=round_id,
                    target=target,
                    found_by="known",
                    credential="public",
                    read_before=end - number * timedelta(days=1) / ROUNDS_A_DAY,
                )
            )
    return orders


def octets_of(spool: Path) -> int:
    """With what is in its write-ahead log."""
    return sum(each.stat().st_size for each in spool.parent.glob(f"{spool.name}*"))


def resident() -> int:
    """Octets of memory that this process holds."""
    gc.collect()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
