"""Publishing to RabbitMQ so that a message that counts as published is in a durable queue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import takewhile
from typing import Any, NamedTuple

from pika import BasicProperties
from pika.exceptions import AMQPError
from pika.spec import Basic

from shared.bus.amqp import Channel, in_words, settle
from shared.bus.port import BusDownError
from shared.bus.topology import EXCHANGE
from shared.bus.wire import through_json
from shared.messages import Message

WINDOW = 200  # unconfirmed; more gains little (20,000 messages a second)
_PAUSE_MAX_S = 5.0


class Post(NamedTuple):
    """A body on its way: `kind` is its message's routing key, wherever it is sent."""

    exchange: str
    routing_key: str
    kind: str
    body: bytes
    message_id: str | None = None
    headers: dict[str, str | int] | None = None


def post_of(message: Message) -> Post:
    """Raises: MessageError, where its readers could not decode it."""
    body, _ = through_json(message)
    return Post(EXCHANGE, message.routing_key, message.routing_key, body, str(message.id))


def back_off() -> Iterator[float]:
    """Seconds to wait before each next try, with jitter."""
    pause_s = 0.1
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(pause_s * 2, _PAUSE_MAX_S)


class Publisher:
    """Mandatory, persistent, confirmed; what is not confirmed is sent again.

    A confirm alone does not say that a queue holds the message: one that came back (basic.return)
    is confirmed too, and is not published.
    """

    def __init__(self, timeout_s: float, declare_again: Callable[[], Awaitable[None]]) -> None:
        """`declare_again` is called where a message was not taken: its queue may be deleted."""
        self._timeout_s = timeout_s
        self._declare_again = declare_again
        self._window = asyncio.Semaphore(WINDOW)
        self._channel: Channel | None = None
        self._open = asyncio.Event()  # connected and not blocked, or ended
        self._unconfirmed: dict[int, asyncio.Future[str | None]] = {}  # by tag: None, or the fault
        self._returned: dict[int, str] = {}
        self._last_tag = 0
        self._shut_because = "not connected"
        self._fault: str | None = None  # of the last message, until one is taken
        self.ended = False

    @property
    def problem(self) -> str | None:
        return self._fault if self._open.is_set() else self._shut_because

    async def connect(self, channel: Channel) -> None:
        """Raises: LostError"""
        channel.raw.add_on_return_callback(self._on_return)
        await channel.call(channel.raw.confirm_delivery, self._on_confirm)
        self._last_tag = 0
        self._channel = channel
        self._open.set()

    def shut(self, reason: str) -> None:
        """The broker takes nothing now: who publishes waits."""
        self._shut_because = reason
        self._open.clear()

    def reopen(self) -> None:
        if self._channel is not None:
            self._open.set()

    def disconnect(self, reason: str) -> None:
        """What is unconfirmed is sent again on the next channel."""
        self._channel = None
        if not self.ended:
            self.shut(reason)
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        self._returned.clear()
        for outcome in unconfirmed.values():
            settle(outcome, reason)

    def end(self) -> None:
        self.ended = True
        self.disconnect("the bus has stopped")
        self._open.set()

    async def send(self, post: Post) -> None:
        """Raises: BusDownError, where no queue has taken it in time."""
        try:
            async with asyncio.timeout(self._timeout_s), self._window:
                await self._send_until_taken(post)
        except TimeoutError:
            why = self.problem or "no confirm came"
            raise BusDownError(
                f"{post.kind}: the broker did not take it in {self._timeout_s:g} s: {why}"
            ) from None

    async def _send_until_taken(self, post: Post) -> None:
        for pause_s in back_off():
            await self._open.wait()
            if self.ended:
                raise BusDownError(f"{post.kind}: the bus has stopped")
            self._fault = await self._send_once(post)
            if self._fault is None:
                return
            await asyncio.sleep(pause_s)

    async def _send_once(self, post: Post) -> str | None:
        """None when a queue has it, else why not."""
        channel = self._channel
        if channel is None:
            return self._shut_because
        tag = self._last_tag + 1
        properties = BasicProperties(
            type=post.kind,
            content_type="application/json",
            delivery_mode=2,
            message_id=post.message_id,
            correlation_id=str(tag),  # comes back with a returned message
            headers=post.headers,
        )
        outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        try:
            channel.raw.basic_publish(
                post.exchange, post.routing_key, post.body, properties, mandatory=True
            )
        except AMQPError as error:
            return in_words(error)
        self._last_tag = tag
        self._unconfirmed[tag] = outcome
        fault = await outcome
        if fault is not None:
            await self._declare_again()
        return fault

    def _on_return(self, _: object, method: Any, properties: Any, __: bytes) -> None:  # noqa: ANN401
        where = method.routing_key
        self._returned[int(properties.correlation_id)] = (
            f"no queue takes {where} ({method.reply_text})"[:300]
        )

    def _on_confirm(self, frame: Any) -> None:  # noqa: ANN401
        method = frame.method
        fault = None if isinstance(method, Basic.Ack) else "refused by the queue (nack)"
        tags = [method.delivery_tag]
        if method.multiple:  # tags rise in the order of the dictionary
            tags = list(takewhile(lambda tag: tag <= method.delivery_tag, self._unconfirmed))
        for tag in tags:
            came_back = self._returned.pop(tag, None)
            outcome = self._unconfirmed.pop(tag, None)
            if outcome is not None:
                settle(outcome, came_back or fault)
