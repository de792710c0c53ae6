"""Confirmed publishing through RabbitMQ: our window of unconfirmed against BlockingConnection.

Both publish mandatory, persistent and confirmed to the same durable quorum queues. Ours checks and
encodes each message; BlockingConnection is given bodies that are encoded already. 400 publishers
at once are handlers at work: each publishes what came of its message, and waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from statistics import median

import pika

from bench.messages import orders, reads
from shared.bus.port import EXCHANGE, POLLER_FOUND, UPLOADER_EVENTS
from shared.bus.rabbit import RabbitBus
from shared.message import Message
from tests.peers.rabbit import PrivateRabbit

ROUNDS = 5
AT_ONCE = 400


async def run() -> None:
    if not PrivateRabbit.installed():
        print("publish  left out: RabbitMQ is not installed here")
        return
    with PrivateRabbit() as rabbit:
        broker = rabbit.erl("rabbit_misc:version()").removeprefix("{ok, ").strip('}"\n')
        await _compare(rabbit, broker, "DeviceFound", orders, 5000, 500)
        await _compare(rabbit, broker, "MeterRead", reads, 1500, 300)


async def _compare(
    rabbit: PrivateRabbit,
    broker: str,
    kind: str,
    make: Callable[[int], Sequence[Message]],
    count: int,
    blocking_count: int,
) -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):  # in turn, so that both see the same machine
        url = rabbit.url(rabbit.new_vhost())
        ours.append(await _ours(url, make(count)))
        theirs.append(await asyncio.to_thread(_blocking, url, make(blocking_count)))
    size = len(make(1)[0].to_json())
    ratios = sorted(our / their for our, their in zip(ours, theirs, strict=True))
    print(
        f"publish  {kind} of {size} B: {median(ours):.0f} confirmed a second, checked and encoded;"
        f" pika {version('pika')} BlockingConnection {median(theirs):.0f}, encoded before;"
        f" ratio {median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}), RabbitMQ {broker}"
    )


async def _ours(url: str, messages: Sequence[Message]) -> float:
    bus = RabbitBus(url, feeds=[POLLER_FOUND, UPLOADER_EVENTS])
    await bus.start()
    waiting = list(messages)
    began = time.perf_counter()

    async def publisher() -> None:
        while waiting:
            await bus.publish(waiting.pop())

    await asyncio.gather(*(publisher() for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    await bus.stop()
    return len(messages) / took


def _blocking(url: str, messages: Sequence[Message]) -> float:
    bodies = [message.to_json() for message in messages]
    key = messages[0].routing_key
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        kept = pika.BasicProperties(delivery_mode=2, type=key)
        began = time.perf_counter()
        for body in bodies:
            channel.basic_publish(EXCHANGE, key, body, kept, mandatory=True)
        return len(bodies) / (time.perf_counter() - began)
