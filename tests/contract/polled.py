"""A whole poller on a bus in this process: an order in, its one outcome out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from services.poller.main import polling
from services.poller.settings import PollerSettings
from services.solo.simulator import Rows
from shared.bus.local import LocalBus
from shared.bus.port import UPLOADER_EVENTS, Delivery
from shared.ceiling import Ceiling
from shared.clock import utc_now
from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed, SnmpTarget, order_id
from shared.scope import AskingManner
from shared.snmprec import read_snmprec

WALKS = Path(__file__).parents[1] / "walks"

Outcome = MeterRead | ReadFailed


def walk(name: str) -> Rows:
    return read_snmprec(WALKS / f"{name}.snmprec")


class Poller:
    def __init__(self, bus: LocalBus, port: int) -> None:
        self._bus = bus
        self._port = port
        self._came: dict[UUID, list[Outcome]] = {}

    async def read(
        self, address: str, credential: str = "public", manner: AskingManner | None = None
    ) -> Outcome:
        """The outcome of one order to read; there must be exactly one."""
        round_id, target = uuid4(), SnmpTarget(snmp=address, port=self._port)
        found = DeviceFound(
            order=order_id(round_id, target),
            round=round_id,
            target=target,
            found_by="known",
            credential=credential,
            read_before=utc_now() + timedelta(minutes=5),
            manner=manner,
        )
        await self._bus.publish(found)
        [outcome] = self._came.pop(found.order)
        return outcome

    async def keep(self, message: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(message, MeterRead | ReadFailed)
        self._came.setdefault(message.order, []).append(message)
        return []


@asynccontextmanager
async def running_poller(port: int, folder: Path, **settings: Any) -> AsyncIterator[Poller]:
    """May read what answers at `port` of any loopback address, as `credentials.json` says."""
    bus = LocalBus()
    poller = Poller(bus, port)
    bus.on(UPLOADER_EVENTS, poller.keep, prefetch=1000)
    loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    ceiling = Ceiling(networks=loopback, ports=frozenset({port}))
    chosen = PollerSettings(credentials_file=folder / "credentials.json", **settings)
    async with polling(chosen, bus, ceiling):
        await bus.start()
        try:
            yield poller
        finally:
            await bus.stop()


def said(outcome: Outcome) -> Mapping[str, Any]:
    """What a read says of the device, without what is its own order's, instant's or address'."""
    told = outcome.model_dump(
        mode="json",
        exclude={"order", "round", "taken_at", "failed_at", "target", "datagrams", "bytes"},
    )
    told.get("device", {}).pop("address", None)
    return told
