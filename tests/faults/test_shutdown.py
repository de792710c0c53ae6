"""A broker that is away, full or cut off: each service stops within 30 s, and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.port import (
    DISCOVERY_SCOPE,
    POLLER_ALONE,
    POLLER_FOUND,
    UPLOADER_EVENTS,
    Queue,
)
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.decode import decode
from shared.files import write_private
from shared.messages import DeviceFound, ReadFailed, SnmpTarget, order_id
from shared.scope import Ask, CredentialRange, Scope
from tests.contract.bus_parts import failed
from tests.contract.test_rabbit import Wire, at_broker, depth
from tests.peers import free_port
from tests.peers.rabbit import PrivateRabbit
from tests.unit.discovery.test_sweep import KYOCERA

LONG = os.environ.get("PAGETALLY_FAULTS") == "long"
SERVICES = ("discovery", "poller", "uploader")
PHASES = [("cut off", "away", "disk alarm")] + (
    [("memory alarm",), ("restarting",)] if LONG else []
)
SNMP_PORT = 16431
ADDRESSES = [f"127.43.0.{n}" for n in range(1, 7)]
ROUND = uuid4()
STOP_S = 30.0


class Place:
    """One service as a process of its own, at a virtual host of its own, behind a wire."""

    def __init__(self, service: str, state: str, url: str, wire: Wire, folder: Path) -> None:
        self.service = service
        self.state = state
        self.url = url
        self.wire = wire
        self.folder = folder
        self._log = folder / "log"
        self._process: asyncio.subprocess.Process | None = None
        prefix = service.upper()
        (folder / "ceiling.toml").write_text(
            f'networks = ["127.43.0.0/28"]\nports = [{SNMP_PORT}]\n', encoding="utf-8"
        )
        write_private(folder / "site.key", "pt_nobody")
        self._environment = os.environ | {
            "PAGETALLY_STATE": str(folder),
            f"{prefix}_BUS_URL": wire.url,
            f"{prefix}_CEILING_FILE": str(folder / "ceiling.toml"),
        }
        self._environment |= {
            "discovery": {"DISCOVERY_PORT": str(SNMP_PORT), "DISCOVERY_TIMEOUT_S": "1.0"},
            "poller": {"POLLER_IN_FLIGHT": "3"},
            "uploader": {
                "UPLOADER_HUB_URL": f"https://127.0.0.1:{free_port()}",
                "UPLOADER_KEY_FILE": str(folder / "site.key"),
            },
        }[service]

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "services.cli", self.service),
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(40):
            while "broker connected" not in self.said():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def stop(self) -> tuple[int, float]:
        """The exit code, and the seconds that it took."""
        began = time.monotonic()
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(STOP_S):
            code = await self._process.wait()
        return code, time.monotonic() - began

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def kept(self) -> set[UUID]:
        """The orders of which a queue, the spool or the roster knows."""
        found = {
            message.order
            for queue in (POLLER_FOUND, POLLER_ALONE, UPLOADER_EVENTS)
            for message in await waiting(self.url, queue)
            if isinstance(message, DeviceFound | ReadFailed)
        }
        if self.service == "uploader":
            with closing(sqlite3.connect(self.folder / "agent" / "spool.sqlite")) as spool:
                bodies = spool.execute("select body from message").fetchall()
            for (body,) in bodies:
                message = decode(ReadFailed.routing_key, body)
                assert isinstance(message, ReadFailed)
                found.add(message.order)
        return found


async def waiting(url: str, queue: Queue) -> list[Any]:
    def fetch(channel: Any) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        while True:
            _, properties, body = channel.basic_get(queue.name)
            if properties is None:
                return found
            found.append((properties.type, body))

    return [decode(kind, body) for kind, body in await at_broker(url, fetch)]


def order(address: str) -> DeviceFound:
    target = SnmpTarget(snmp=address, port=SNMP_PORT)
    return DeviceFound(
        order=order_id(ROUND, target),
        round=ROUND,
        target=target,
        found_by="sweep",
        credential="public",
        read_before=utc_now().replace(year=2100),
    )


ORDERS = {order_id(ROUND, SnmpTarget(snmp=address, port=SNMP_PORT)) for address in ADDRESSES}


async def put_work(place: Place) -> None:
    """What the service has in hand when its broker goes."""
    async with bus_at(place.url) as bus:
        if place.service == "discovery":
            await bus.publish(a_search())
        for address in ADDRESSES:
            if place.service == "poller":
                await bus.publish(order(address))
            if place.service == "uploader":
                await bus.publish(failed(order(address)))


def a_search() -> Scope:
    return Scope(
        version=1,
        author="tests",
        changed_at=utc_now(),
        segments=["127.43.0.0/28"],
        credentials=[CredentialRange(range="0.0.0.0/0", credentials=["public"])],
        search_schedule="0 0 1 1 *",
        read_schedule="0 0 1 1 *",
        asks=[Ask(id=uuid4(), kind="search", until=utc_now().replace(year=2100))],
    )


@asynccontextmanager
async def bus_at(url: str) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(url, feeds=[POLLER_FOUND, UPLOADER_EVENTS, DISCOVERY_SCOPE])
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@asynccontextmanager
async def in_state(
    state: str, rabbit: PrivateRabbit, places: Sequence[Place]
) -> AsyncIterator[None]:
    """The places have started, and their broker is as `state` says."""
    full, room = _ALARMS.get(state, ("ok", "ok"))
    rabbit.erl(full)
    try:
        await asyncio.gather(*(begin(place) for place in places))
        if state == "restarting":
            await asyncio.to_thread(rabbit.stop)
            rabbit.launch()
        yield
    finally:
        if state == "restarting":
            await asyncio.to_thread(rabbit.wait_until_up)
        rabbit.erl(room)


async def begin(place: Place) -> None:
    await place.start()
    await asyncio.sleep(0.3)  # something is in hand
    if place.state == "cut off":
        place.wire.swallows = place.wire.swallows_answers = True
    elif place.state == "away":
        place.wire.close()


_ALARMS = {
    "disk alarm": (
        "rabbit_disk_monitor:set_disk_free_limit({absolute, 1000000000000000})",
        "rabbit_disk_monitor:set_disk_free_limit({absolute, 50000000})",
    ),
    "memory alarm": (
        "vm_memory_monitor:set_vm_memory_high_watermark(0.00001)",
        'vm_memory_monitor:set_vm_memory_high_watermark({absolute, "1GB"})',
    ),
}


@pytest.mark.parametrize("states", PHASES, ids=" and ".join)
async def test_no_service_waits_for_its_broker_to_stop_and_none_loses_what_it_had(
    rabbit: PrivateRabbit, tmp_path: Path, states: tuple[str, ...]
) -> None:
    agents = {(address, SNMP_PORT): SimulatedAgent(KYOCERA, delay_s=0.4) for address in ADDRESSES}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(simulate(agents))
        places = []
        for state in states:
            for service in SERVICES:
                vhost = rabbit.new_vhost()
                stack.callback(rabbit.delete_vhost, vhost)
                folder = tmp_path / state / service
                folder.mkdir(parents=True)
                wire = await stack.enter_async_context(Wire(rabbit.url(vhost)))
                places.append(Place(service, state, rabbit.url(vhost), wire, folder))
        await asyncio.gather(*(put_work(place) for place in places))
        for place in places:
            stack.callback(place.kill)
        async with AsyncExitStack() as bad:
            states_at = [[p for p in places if p.state == state] for state in states]
            await asyncio.gather(
                *(
                    bad.enter_async_context(in_state(state, rabbit, at))
                    for state, at in zip(states, states_at, strict=True)
                )
            )
            await asyncio.sleep(1)  # the sweep ends, reads are taken, and their outcomes wait

            stopped = await asyncio.gather(*(place.stop() for place in places))

        codes = {(p.state, p.service): code for p, (code, _) in zip(places, stopped, strict=True)}
        assert set(codes.values()) == {0}, [(codes, place.said()[-2000:]) for place in places]
        for place in places:
            if place.service != "discovery":
                assert await place.kept() >= ORDERS, (place.state, place.service)
        await asyncio.gather(*(gone_on_with(p) for p in places if p.service == "discovery"))


async def gone_on_with(place: Place) -> None:
    """Discovery, started again where the broker is well, gives each order of its round."""
    place.wire.url = place.url
    again = Place(place.service, place.state, place.url, place.wire, place.folder)
    await again.start()
    try:
        async with asyncio.timeout(20):
            while await depth(place.url, POLLER_FOUND.name) < len(ADDRESSES):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        again.kill()
    targets = {message.target.snmp for message in await waiting(place.url, POLLER_FOUND)}
    assert targets == set(ADDRESSES), place.state
