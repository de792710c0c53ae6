"""Reads orders in a process of its own, again and again: `python -m … URL [POISONOUS_ORDER…]`.

Each line on stdout is one handled order: its id, how often it was delivered before, the queue.
A poisonous order ends the process at once, with nothing said or acknowledged, until it has come
ten times. A new process then starts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial

from shared.bus.port import POLLER_ALONE, POLLER_FOUND, Delivery
from shared.bus.rabbit import RabbitBus
from shared.log import set_up_logs
from shared.message import Message


async def read(
    message: Message, delivery: Delivery, *, poison: Sequence[str], queue: str
) -> Sequence[Message]:
    if str(message.id) in poison:
        if delivery.times < 10:
            os._exit(1)
    else:
        await asyncio.sleep(0.05)
    os.write(1, f"{message.id} {delivery.times} {queue}\n".encode())
    return []


async def run(url: str, poison: Sequence[str]) -> None:
    bus = RabbitBus(url)
    bus.on(POLLER_FOUND, partial(read, poison=poison, queue="found"), prefetch=50)
    bus.on(POLLER_ALONE, partial(read, poison=poison, queue="alone"), prefetch=1)
    await bus.start()
    await asyncio.Event().wait()


def main() -> None:
    url, *poison = sys.argv[1:]
    set_up_logs("kv", "error")  # to stderr: stdout is for the orders
    while True:
        pid = os.fork()  # so that each new process need not import everything again
        if pid == 0:
            asyncio.run(run(url, poison))
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
