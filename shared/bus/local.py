"""The bus in one process: no broker, no storage; what RabbitMQ would refuse is refused here too."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from shared.bus.port import EXCHANGE, BusDownError, CannotStoreError, Delivery, Handler, Queue
from shared.bus.wire import through_json
from shared.log import log
from shared.message import Message

STOP_S = 19.0


@dataclass
class _Reader:
    queue: Queue
    handler: Handler
    slots: asyncio.Semaphore
    newest: int = 0


class LocalBus:
    """Stores nothing: `publish` ends when the handling has. No handler may feed its own queue."""

    def __init__(self, *, publish_timeout_s: float = 60.0) -> None:
        """`publish_timeout_s` bounds the wait for a reader, not the handling."""
        self._publish_timeout_s = publish_timeout_s
        self._readers: dict[str, _Reader] = {}  # by queue name
        self._has_reader: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # by key
        self._in_hand: set[asyncio.Task[None]] = set()
        self._stopped = False

    def on(self, queue: Queue, handler: Handler, *, prefetch: int) -> None:
        self._readers[queue.name] = _Reader(queue, handler, asyncio.Semaphore(prefetch))
        for kind in _published(queue):
            self._has_reader[kind.routing_key].set()

    async def start(self) -> None:
        """Nothing to connect to; readers may still come."""

    async def publish(self, message: Message) -> None:
        if self._stopped:
            raise BusDownError(f"{message.routing_key}: the bus has stopped")
        task = asyncio.create_task(self._deliver(through_json(message), in_hand=False))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        await asyncio.wait({task})  # a publisher that is cancelled leaves the handler alone
        if task.cancelled():
            raise BusDownError(f"{message.routing_key}: not finished when the bus stopped")
        task.result()

    async def stop(self) -> None:
        self._stopped = True
        for event in self._has_reader.values():
            event.set()
        if self._in_hand:
            for task in (await asyncio.wait(self._in_hand, timeout=STOP_S))[1]:
                task.cancel()

    def problem(self) -> str | None:
        return "the bus has stopped" if self._stopped else None

    async def _deliver(self, message: Message, *, in_hand: bool) -> None:
        if not self._stopped:
            with suppress(TimeoutError):
                has_reader = self._has_reader[message.routing_key]
                async with asyncio.timeout(self._publish_timeout_s):
                    await has_reader.wait()
        readers = [r for r in self._readers.values() if type(message) in _published(r.queue)]
        if not readers:
            raise BusDownError(f"{message.routing_key}: nothing reads it")
        for reader in readers:
            await self._hand_over(reader, message, in_hand=in_hand)

    def _dead(self, queue: Queue) -> _Reader | None:
        """Who reads its dead letters, or theirs."""
        if queue.dead_letters is None:
            return None
        return self._readers.get(queue.dead_letters.name) or self._dead(queue.dead_letters)

    async def _hand_over(
        self, reader: _Reader, message: Message, *, in_hand: bool, died_of: str = ""
    ) -> None:
        queue = reader.queue
        reader.newest = mine = reader.newest + 1
        async with reader.slots:
            if queue.newest_only and mine != reader.newest:
                return
            if self._stopped and not in_hand:
                raise BusDownError(f"{queue.name}: the bus has stopped")
            try:
                returned = await reader.handler(message, Delivery(died_of=died_of))
                results = [through_json(result) for result in returned]
            except CannotStoreError as error:
                raise BusDownError(f"{queue.name}: cannot store: {error}") from error
            except Exception as error:
                log.exception("handler failed", queue=queue.name, id=str(message.id))
                dead = self._dead(queue)
                if dead is None:
                    raise BusDownError(f"{queue.name}: its handler failed: {error!r}") from error
                died = "; ".join(filter(None, [died_of, f"{queue.name}: given up by its reader"]))
                await self._hand_over(dead, message, in_hand=True, died_of=died)
                return
            for result in results:
                await self._deliver(result, in_hand=True)


def _published(queue: Queue) -> tuple[type[Message], ...]:
    return queue.carries if queue.exchange == EXCHANGE else ()
