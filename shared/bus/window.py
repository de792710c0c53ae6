"""What is on its way to the broker on one channel: mandatory, persistent, confirmed one by one.

A confirm alone does not say that a queue holds the message: one that came back (basic.return) is
confirmed too, and is not published.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pika.exceptions import AMQPError
from pika.spec import Basic

from shared.bus.amqp import Channel, LostError, in_words, settle
from shared.bus.frames import Frames, Post, properties_of

WINDOW = 200  # unconfirmed; more gains little


@dataclass(eq=False, slots=True)
class Sending:
    post: Post
    outcome: asyncio.Future[str | None]  # None when a queue has it, else why not
    tag: int = 0  # its number on the channel, from 1, once it is sent


class Window:
    """At most WINDOW unconfirmed; what has no place yet, or no channel, waits its turn."""

    def __init__(self) -> None:
        self.is_open = False  # connected and not blocked
        self._channel: Channel | None = None
        self._frames: Frames | None = None
        self._waiting: OrderedDict[Sending, None] = OrderedDict()
        self._unconfirmed: dict[int, Sending] = {}  # by tag, which rises
        self._returned: dict[int, str] = {}
        self._last_tag = 0

    async def connect(self, channel: Channel) -> None:
        """Raises: LostError"""
        channel.raw.add_on_return_callback(self._on_return)
        await channel.call(channel.raw.confirm_delivery, self._on_confirm)
        self._last_tag = 0
        self._frames = channel.frames()
        self._channel = channel
        self.reopen()

    def reopen(self) -> None:
        if self._channel is not None:
            self.is_open = True
            self._send_waiting()

    def shut(self) -> None:
        self.is_open = False

    def lose(self, reason: str) -> None:
        """The channel is gone, and nobody knows of the unconfirmed where they are."""
        self.is_open = False
        self._channel = None
        self._returned.clear()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for sending in unconfirmed.values():
            settle(sending.outcome, reason)

    def empty(self, reason: str) -> None:
        """Nobody who waits will get a turn."""
        for sending in self._waiting:
            settle(sending.outcome, reason)

    def put(self, post: Post) -> Sending:
        """Sent now or in its turn; who no longer waits for its outcome calls `forget`."""
        sending = Sending(post, asyncio.get_running_loop().create_future())
        self._waiting[sending] = None
        self._send_waiting()
        return sending

    def forget(self, sending: Sending) -> None:
        self._waiting.pop(sending, None)
        if self._unconfirmed.get(sending.tag) is sending:  # tags begin anew on each channel
            del self._unconfirmed[sending.tag]
            self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self.is_open and len(self._unconfirmed) < WINDOW:
            sending, _ = self._waiting.popitem(last=False)
            try:
                self._send(sending)
            except LostError as error:
                settle(sending.outcome, str(error))
            except AMQPError as error:
                settle(sending.outcome, in_words(error))
            except Exception as error:  # noqa: BLE001  (it is for who put it, not for the next)
                settle(sending.outcome, error)

    def _send(self, sending: Sending) -> None:
        assert self._channel is not None
        assert self._frames is not None
        post = sending.post
        tag = self._last_tag + 1
        frames = self._frames.of(post, tag)
        if frames is not None:
            self._channel.write(frames)
        else:
            properties = properties_of(post, str(tag))
            self._channel.raw.basic_publish(
                post.exchange, post.routing_key, post.body, properties, mandatory=True
            )
        self._last_tag = sending.tag = tag
        self._unconfirmed[tag] = sending

    def _on_return(self, _: object, method: Any, properties: Any, __: bytes) -> None:  # noqa: ANN401
        tag = int(properties.correlation_id)
        if tag in self._unconfirmed:
            where = method.routing_key
            self._returned[tag] = f"no queue takes {where} ({method.reply_text})"[:300]

    def _on_confirm(self, frame: Any) -> None:  # noqa: ANN401
        method = frame.method
        is_held = isinstance(method, Basic.Ack)
        tags = [method.delivery_tag]
        if method.multiple:
            tags = list(takewhile(lambda tag: tag <= method.delivery_tag, self._unconfirmed))
        for tag in tags:
            came_back = self._returned.pop(tag, None)
            sending = self._unconfirmed.pop(tag, None)
            if sending is not None:
                settle(sending.outcome, came_back or (None if is_held else _refused(sending.post)))
        self._send_waiting()


def _refused(post: Post) -> str:
    return f"refused by the queue behind {post.exchange} (nack); is it full?"
