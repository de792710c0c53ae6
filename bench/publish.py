"""Confirmed publishing through RabbitMQ: our window of unconfirmed against BlockingConnection."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

import pika

from shared.bus.port import POLLER_FOUND
from shared.bus.rabbit import RabbitBus
from shared.messages import DeviceFound, SnmpTarget, order_id
from tests.peers.rabbit import PrivateRabbit

MESSAGES = 4000
AT_ONCE = 400
BLOCKING = 500


def orders(count: int) -> list[DeviceFound]:
    round_id = uuid4()
    targets = [SnmpTarget(snmp=f"10.0.{n // 250}.{n % 250 + 1}") for n in range(count)]
    return [
        DeviceFound(
            order=order_id(round_id, target),
            round=round_id,
            target=target,
            found_by="sweep",
            read_before=datetime.now(UTC) + timedelta(hours=1),
        )
        for target in targets
    ]


async def run() -> None:
    if not PrivateRabbit.installed():
        print("publish  left out: RabbitMQ is not installed here")
        return
    with PrivateRabbit() as rabbit:
        url = rabbit.url(rabbit.new_vhost())
        ours = await _ours(url)
        theirs = await asyncio.to_thread(_blocking, url)
        print(
            f"publish  {ours:.0f} confirmed messages a second, checked and encoded;"
            f" pika {version('pika')} BlockingConnection {theirs:.0f}; ratio {ours / theirs:.1f}"
        )


async def _ours(url: str) -> float:
    bus = RabbitBus(url, feeds=[POLLER_FOUND])
    await bus.start()
    waiting = orders(MESSAGES)
    began = time.perf_counter()

    async def publisher() -> None:
        while waiting:
            await bus.publish(waiting.pop())

    await asyncio.gather(*(publisher() for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    await bus.stop()
    return MESSAGES / took


def _blocking(url: str) -> float:
    bodies = [order.to_json() for order in orders(BLOCKING)]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        kept = pika.BasicProperties(delivery_mode=2, type=DeviceFound.routing_key)
        began = time.perf_counter()
        for body in bodies:
            channel.basic_publish("pagetally", DeviceFound.routing_key, body, kept, mandatory=True)
        return BLOCKING / (time.perf_counter() - began)
