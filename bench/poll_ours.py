"""Pagetally's poller beside its peers: COUNTERS PORT DEVICES COPY; a cold and a warm pass.

A complete MeterRead a device: asked, checked, decoded, with supplies, alerts and provenance, and
serialised. Without the broker that brings the order and takes the message away.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from uuid import uuid4

from bench.measured import Measuring, Pass
from bench.workload import NETWORK, addresses
from services.poller.device import DeviceRead, read_device
from services.poller.plan import Plans
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from services.poller.settings import PollerSettings
from shared.ceiling import Ceiling
from shared.clock import utc_now
from shared.credentials import PUBLIC
from shared.messages import DeviceFound, MeterRead, SnmpTarget, order_id
from shared.serve import collect_seldom
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpSession, Traffic


class Poller:
    """Reads devices as services/poller does, with what a poller remembers from pass to pass."""

    def __init__(self, client: SnmpClient, port: int) -> None:
        self._client = client
        self._port = port
        self._settings = PollerSettings()
        self._profiles = Profiles(load_profiles())
        self._plans = Plans()

    async def poll(self, orders: Sequence[DeviceFound]) -> dict[str, bytes]:
        """Every device once; no more at a time than a poller has. By address, what it came to."""
        reads: dict[str, bytes] = {}
        waiting = iter(orders)

        async def worker(waiting: Iterator[DeviceFound]) -> None:
            for found in waiting:
                assert isinstance(found.target, SnmpTarget)
                address = found.target.snmp
                session = self._client.session(
                    address, self._port, PUBLIC, deadline_s=self._settings.read_s
                )
                device = await self._read(session, address)
                read = device.message(
                    found.order, found.round, "bench", found.target, session.traffic
                )
                reads[address] = read.to_json()

        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.in_flight):
                group.create_task(worker(waiting))
        return reads

    async def _read(self, session: SnmpSession, address: str) -> DeviceRead:
        place = (address, self._port, "public")
        plan = self._plans.get(place)
        device = await read_device(
            session, self._profiles, address, utc_now, plan, self._plans.kinds
        )
        self._plans.keep(place, device.plan)
        return device


def orders_to(devices: int, port: int) -> list[DeviceFound]:
    """What the broker brings: one for each device."""
    round_id = uuid4()
    targets = [SnmpTarget(snmp=address, port=port) for address in addresses(devices)]
    return [
        DeviceFound(
            order=order_id(round_id, target),
            round=round_id,
            target=target,
            found_by="known",
            read_before=utc_now() + timedelta(hours=1),
        )
        for target in targets
    ]


def is_complete(read_json: bytes, address: str) -> bool:
    """Whether all that the workload holds is in it, and of this device."""
    read = MeterRead.model_validate_json(read_json)
    return (
        read.device.serial == f"CN{int(ip_address(address)):08X}"
        and read.meters["total"] > 0
        and set(read.sources["total"]) <= set(read.varbinds)
        and len(read.supplies) == 10
        and all(supply.level_percent is not None for supply in read.supplies)
        and len(read.alerts) == 3
        and read.status.errors == ["low toner"]
        and not read.notes
    )


async def run(counters: Path, port: int, devices: int, copy: str) -> None:
    ceiling = Ceiling(networks=(ip_network(NETWORK),), ports=frozenset({port}))
    settings = PollerSettings()
    async with SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client:
        poller = Poller(client, port)
        collect_seldom()
        for name in ("cold", "warm"):
            before = _copy(client.traffic)
            orders = orders_to(devices, port)
            measuring = Measuring(f"Pagetally, {copy}, {name}", counters)
            reads = await poller.poll(orders)
            passed = measuring.done(devices, 0)
            complete = sum(is_complete(read, address) for address, read in reads.items())
            passed = replace(passed, complete=complete)
            passed.tell(_disagreement(passed, before, client.traffic))


def _copy(traffic: Traffic) -> tuple[int, ...]:
    return traffic.packets_out, traffic.packets_in, traffic.bytes_out, traffic.bytes_in


def _disagreement(passed: Pass, before: tuple[int, ...], traffic: Traffic) -> str:
    """In words, where our own count is not that of the simulated devices."""
    ours = [now - then for now, then in zip(_copy(traffic), before, strict=True)]
    theirs = [passed.datagrams_out, passed.datagrams_in, passed.bytes_out, passed.bytes_in]
    return "" if ours == theirs else f"counted {ours} itself, the devices {theirs}"


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
