"""Publishing to RabbitMQ so that a message that counts as published is in a durable queue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

from shared.bus.amqp import Channel, settle
from shared.bus.frames import Post
from shared.bus.port import EXCHANGE, BusDownError
from shared.bus.window import Window
from shared.bus.wire import checked
from shared.message import Message

_PAUSE_MAX_S = 5.0


def post_of(message: Message) -> Post:
    """Raises: MessageError, where its readers could not decode it."""
    body, again = checked(message)
    return Post(EXCHANGE, again.routing_key, again.routing_key, body, again.id)


def back_off() -> Iterator[float]:
    """Seconds to wait before each next try, with jitter."""
    pause_s = 0.1
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(pause_s * 2, _PAUSE_MAX_S)


class Publisher:
    """Sends until a queue has the message or the time is up, across lost connections."""

    def __init__(self, timeout_s: float, declare_again: Callable[[], Awaitable[None]]) -> None:
        """`declare_again` is called where a message was not taken: its queue may be deleted."""
        self._timeout_s = timeout_s
        self._declare_again = declare_again
        self._window = Window()
        self._shut_because = "not connected"
        self._fault: str | None = None  # of the last message, until one is taken
        self.ended = False

    @property
    def problem(self) -> str | None:
        return self._fault if self._window.is_open or self.ended else self._shut_because

    async def connect(self, channel: Channel) -> None:
        """Raises: LostError"""
        await self._window.connect(channel)

    def shut(self, reason: str) -> None:
        """The broker takes nothing now: who publishes waits."""
        self._shut_because = reason
        self._window.shut()

    def reopen(self) -> None:
        self._window.reopen()

    def disconnect(self, reason: str) -> None:
        """What is unconfirmed is sent again on the next channel."""
        self._shut_because = reason
        self._window.lose(reason)

    def end(self) -> None:
        self.ended = True
        self.disconnect("the bus has stopped")
        self._window.empty("the bus has stopped")

    async def send(self, post: Post) -> None:
        """Raises: BusDownError, where no queue has taken it in time."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            if not await self._is_taken(post, deadline):
                async with asyncio.timeout_at(deadline):
                    await self._send_until_taken(post, deadline)
        except TimeoutError:
            why = self.problem or "no confirm came"
            raise BusDownError(
                f"{post.kind}: the broker did not take it in {self._timeout_s:g} s: {why}"
            ) from None

    async def _send_until_taken(self, post: Post, deadline: float) -> None:
        for pause_s in back_off():
            await self._declare_again()
            await asyncio.sleep(pause_s)
            if await self._is_taken(post, deadline):
                return

    async def _is_taken(self, post: Post, deadline: float) -> bool:
        """Whether a queue has it. Raises: BusDownError, TimeoutError"""
        if not self.ended:
            sending = self._window.put(post)
            # a timeout block costs twice as much, and this is done for every message
            timer = asyncio.get_running_loop().call_at(
                deadline, settle, sending.outcome, TimeoutError()
            )
            try:
                self._fault = await sending.outcome
            finally:
                timer.cancel()
                self._window.forget(sending)
            if self._fault is None:
                return True
        if self.ended:
            raise BusDownError(f"{post.kind}: the bus has stopped")
        return False
