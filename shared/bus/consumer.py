"""Taking from one RabbitMQ queue: decode, hand over, publish what came back, acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pika.exceptions import AMQPError
from prometheus_client import Counter

from shared.bus.amqp import Channel, Link, LostError
from shared.bus.deaths import died_of
from shared.bus.frames import Post
from shared.bus.port import ASIDE, BusDownError, CannotStoreError, Delivery, Handler, Queue
from shared.bus.publisher import Publisher, post_of
from shared.decode import MessageError, decode
from shared.log import log
from shared.message import Message

_CANCEL_S = 1.0
_LOOK_S = 0.1

SET_ASIDE = Counter(
    "pagetally_messages_set_aside", "Bodies that could not be read or handled", ["queue"]
)


@dataclass(frozen=True)
class _Arrival:
    """A body as delivered. On a lost channel there is nothing to settle: it is delivered again."""

    channel: Channel
    tag: int
    key: str
    body: bytes
    delivery: Delivery

    def acknowledge(self) -> None:
        if self.channel.is_open:
            self.channel.raw.basic_ack(self.tag)

    def refuse(self, *, requeue: bool) -> None:
        if self.channel.is_open:
            self.channel.raw.basic_reject(self.tag, requeue=requeue)


class Consumer:
    """At most `prefetch` handlers at once, also across lost connections."""

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        prefetch: int,
        publisher: Publisher,
        store_pause_s: float,
    ) -> None:
        self.queue = queue
        self.problem: str | None = None
        self._handler = handler
        self._prefetch = prefetch
        self._publisher = publisher
        self._store_pause_s = store_pause_s
        self._slots = asyncio.Semaphore(prefetch)
        self._in_hand: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()  # those of them that have no slot yet
        self._channel: Channel | None = None
        self._consumer_tag: str | None = None
        self._resume: asyncio.TimerHandle | None = None

    async def subscribe(self, link: Link) -> None:
        """Raises: LostError"""
        channel = await link.channel()
        await channel.call(channel.raw.basic_qos, prefetch_count=self._prefetch)
        self._channel = channel
        self._consume()

    async def drained(self) -> None:
        """Returns when the queue is empty and nothing of it is in hand. Raises: LostError"""
        while self._channel is not None:
            declared = await self._channel.call(
                self._channel.raw.queue_declare, queue=self.queue.name, passive=True
            )
            if not self._in_hand and not declared.method.message_count:
                return
            await asyncio.sleep(_LOOK_S)

    def lose(self) -> None:
        """The link is gone: what is being handled goes on, what waits for a slot comes again."""
        self._channel = self._consumer_tag = None
        self._forget_resume()
        for task in self._waiting:
            task.cancel()

    async def cancel(self) -> None:
        """Take nothing more."""
        self._forget_resume()
        channel, tag = self._channel, self._consumer_tag
        self._consumer_tag = None
        if channel is None or tag is None or not channel.is_open:
            return
        try:
            async with asyncio.timeout(_CANCEL_S):
                await channel.call(channel.raw.basic_cancel, tag)
        except (LostError, TimeoutError):
            return

    async def finish(self, timeout_s: float) -> None:
        """What is in hand is settled; what is not in time stays with the broker."""
        if self._in_hand:
            _, unfinished = await asyncio.wait(self._in_hand, timeout=timeout_s)
            for task in unfinished:
                task.cancel()

    def _consume(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return

        def delivered(_: object, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
            headers = properties.headers or {}
            times = _times(headers) + self.queue.ended_before
            key = method.routing_key  # the broker checks who may use it, unlike a type
            arrival = _Arrival(
                channel=channel,
                tag=method.delivery_tag,
                key=key if isinstance(key, str) else repr(key)[:200],
                body=body,
                delivery=Delivery(times, died_of(headers)),
            )
            task = asyncio.get_running_loop().create_task(self._take(arrival))
            self._in_hand.add(task)
            self._waiting.add(task)
            task.add_done_callback(self._done)

        self._consumer_tag = channel.raw.basic_consume(
            queue=self.queue.name, on_message_callback=delivered
        )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_hand.discard(task)
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery not settled", queue=self.queue.name, error=repr(error)[:300])

    async def _take(self, arrival: _Arrival) -> None:
        async with self._slots:
            task = asyncio.current_task()
            assert task is not None
            self._waiting.discard(task)
            try:
                await self._settle(arrival)
            except (BusDownError, AMQPError) as error:
                # unacknowledged: the broker delivers it again
                log.warning("delivery left with the broker", queue=self.queue.name, why=str(error))

    async def _settle(self, arrival: _Arrival) -> None:
        try:
            message = self._message(arrival)
        except MessageError as error:
            await self._set_aside(arrival, str(error))
            return
        after, dead_letters = self.queue.suspect_after, self.queue.dead_letters
        if after is not None and arrival.delivery.times >= after:
            log.warning("suspect set apart", queue=self.queue.name, id=str(message.id))
            arrival.refuse(requeue=False)
            return
        try:
            results = await self._handler(message, arrival.delivery)
            posts = [post_of(result) for result in results]
        except CannotStoreError as error:
            self._pause(str(error))
            arrival.refuse(requeue=True)
        except Exception as error:  # noqa: BLE001  (one message must not stop the queue)
            log.exception("handler failed", queue=self.queue.name, id=str(message.id))
            if dead_letters is None:
                await self._set_aside(arrival, f"its handler failed: {error!r}")
            else:
                arrival.refuse(requeue=False)
        else:
            for post in posts:
                await self._send(arrival, post)
            self.problem = None
            arrival.acknowledge()

    def _message(self, arrival: _Arrival) -> Message:
        message = decode(arrival.key, arrival.body)
        if self.queue.carries and type(message) not in self.queue.carries:
            raise MessageError(f"{self.queue.name} does not carry {arrival.key}")
        return message

    async def _set_aside(self, arrival: _Arrival, reason: str) -> None:
        SET_ASIDE.labels(self.queue.name).inc()
        log.error(
            "message set aside", queue=self.queue.name, reason=reason[:300], kept_in=ASIDE.name
        )
        headers: dict[str, str | int] = {"reason": reason[:300], "queue": self.queue.name}
        post = Post(ASIDE.exchange, arrival.key, arrival.key, arrival.body, headers=headers)
        await self._send(arrival, post)
        arrival.acknowledge()

    async def _send(self, arrival: _Arrival, post: Post) -> None:
        """Until it is safe, or the delivery is no longer ours. Raises: BusDownError"""
        while True:
            try:
                await self._publisher.send(post)
            except BusDownError as error:
                if self._publisher.ended or not arrival.channel.is_open:
                    raise
                log.warning("tried again", queue=self.queue.name, why=str(error))
            else:
                return

    def _pause(self, reason: str) -> None:
        """Stop taking until the pause is over; cancelled first, so that nothing comes back now."""
        self.problem = f"{self.queue.name}: cannot store: {reason[:300]}"
        channel, tag = self._channel, self._consumer_tag
        if channel is None or tag is None or not channel.is_open:
            return
        log.error("stopped taking", queue=self.queue.name, why=reason[:300])
        self._consumer_tag = None
        channel.raw.basic_cancel(tag)
        self._resume = asyncio.get_running_loop().call_later(self._store_pause_s, self._consume)

    def _forget_resume(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None


def _times(headers: Mapping[str, object]) -> int:
    count = headers.get("x-delivery-count")
    # pika has an int of its own for some of AMQP's types
    return max(0, int(count)) if isinstance(count, int) else 0
