"""Discovery as a process of its own, on a real broker: killed, continued, stopped, and held in."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.port import DISCOVERY_SCOPE, POLLER_FOUND, UPLOADER_EVENTS, Delivery
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.message import Message
from shared.messages import DeviceFound, RoundFinished, SnmpTarget
from shared.scope import Ask, CredentialRange, Scope
from tests.unit.discovery.test_rounds import until
from tests.unit.discovery.test_sweep import KYOCERA, free_port

DEVICES = 40


class Downstream:
    """What the poller and the uploader would get."""

    def __init__(self) -> None:
        self.orders: list[DeviceFound] = []
        self.finished: list[RoundFinished] = []
        self.ended = asyncio.Event()

    async def found(self, message: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(message, DeviceFound)
        self.orders.append(message)
        return []

    def moved(self, orders: int) -> Callable[[], bool]:
        return lambda: len(self.orders) > orders or bool(self.finished)

    async def event(self, message: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(message, RoundFinished)
        self.finished.append(message)
        self.ended.set()
        return []


class Site:
    """A discovery process with a state folder and a ceiling of one network."""

    def __init__(self, folder: Path, url: str, rate: float) -> None:
        self.port = free_port()
        (folder / "ceiling.toml").write_text(
            f'networks = ["127.9.8.0/25"]\nports = [{self.port}]\npace = {rate}\n'
        )
        self.environment = os.environ | {
            "DISCOVERY_BUS_URL": url,
            "DISCOVERY_ROSTER_FILE": str(folder / "roster.sqlite"),
            "DISCOVERY_CEILING_FILE": str(folder / "ceiling.toml"),
            "DISCOVERY_CREDENTIALS_FILE": str(folder / "credentials.json"),
            "DISCOVERY_TIMEOUT_S": "0.3",
            "DISCOVERY_RATE": str(rate),
            "DISCOVERY_PORT": str(self.port),
        }

    async def start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.discovery.main", env=self.environment
        )

    def scope(self, segment: str) -> Scope:
        return Scope(
            version=1,
            author="a person",
            changed_at=utc_now(),
            segments=[segment],
            credentials=[CredentialRange(range="0.0.0.0/0", credentials=["public"])],
            search_schedule="0 0 1 1 *",
            read_schedule="0 0 1 1 *",
            asks=[Ask(id=uuid4(), kind="search", until=utc_now() + timedelta(minutes=10))],
        )


@asynccontextmanager
async def connected(url: str, downstream: Downstream) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(url, feeds=[DISCOVERY_SCOPE])
    bus.on(POLLER_FOUND, downstream.found, prefetch=50)
    bus.on(UPLOADER_EVENTS, downstream.event, prefetch=50)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


async def test_a_round_killed_at_random_points_ends_under_its_own_id_with_every_order(
    tmp_path: Path, rabbit_vhost: str
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201
    dice = random.Random(seed)
    site, downstream = Site(tmp_path, rabbit_vhost, rate=50), Downstream()
    agents = {
        (f"127.9.8.{n}", site.port): SimulatedAgent(KYOCERA)
        for n in dice.sample(range(1, 127), DEVICES)
    }
    beyond = SimulatedAgent(KYOCERA)  # would answer, and must never be asked
    others = {("127.9.8.129", site.port): beyond, ("127.9.7.9", site.port): beyond}
    async with simulate(agents | others), connected(rabbit_vhost, downstream) as bus:
        await bus.publish(site.scope("0.0.0.0/0"))
        for _ in range(3):
            discovery = await site.start()
            await until(downstream.moved(len(downstream.orders)), 30)
            await asyncio.sleep(dice.random() * 0.6)
            discovery.send_signal(signal.SIGKILL)
            await discovery.wait()
        discovery = await site.start()
        try:
            async with asyncio.timeout(60):
                await downstream.ended.wait()
        finally:
            discovery.terminate()
            ended_with = await asyncio.wait_for(discovery.wait(), 30)

    assert ended_with == 0
    assert beyond.requests == 0
    found = {
        order.target.snmp for order in downstream.orders if isinstance(order.target, SnmpTarget)
    }
    assert found == {address for address, _ in agents}
    assert len({order.round for order in downstream.orders}) == 1
    assert len({order.order for order in downstream.orders}) == DEVICES
    [finished] = {one.to_json(): one for one in downstream.finished}.values()
    assert {one.order for one in finished.orders} == {one.order for one in downstream.orders}
    assert finished.asked == 128
    assert finished.answered == DEVICES
    assert any("outside what this site's ceiling allows" in m.reason for m in finished.not_reached)


async def test_a_sweep_of_an_hour_stops_on_sigterm_and_is_kept(
    tmp_path: Path, rabbit_vhost: str
) -> None:
    site, downstream = Site(tmp_path, rabbit_vhost, rate=1), Downstream()
    agent = SimulatedAgent(KYOCERA)
    async with (
        simulate({("127.9.8.0", site.port): agent}),
        connected(rabbit_vhost, downstream) as bus,
    ):
        await bus.publish(site.scope("127.9.8.0-127.9.8.127"))
        discovery = await site.start()
        await until(lambda: bool(downstream.orders), 30)
        discovery.terminate()

        assert await asyncio.wait_for(discovery.wait(), 10) == 0

    assert not downstream.finished
    assert len(downstream.orders) == 1
