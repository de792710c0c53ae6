"""What lies in queues that nobody reads: shown, given again, or thrown away, by a person."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pika.spec import Basic

from shared.bus.address import parameters_of
from shared.bus.amqp import Channel, Link, settle
from shared.bus.deaths import died_of
from shared.bus.frames import Post
from shared.bus.port import EXCHANGE, Queue
from shared.bus.window import Window
from shared.decode import MESSAGES
from shared.messages import DeviceFound
from shared.text import clean

MOST = 1000  # messages looked at in one queue
MOST_BYTES = 64_000_000
_CLOSE_S = 5.0


class LetterError(Exception):
    """What was asked cannot be done; the text says why and what to do."""


class Letter(NamedTuple):
    id: str  # of its body: equal bodies have the same
    queue: str
    key: str  # by which it was published
    type: str  # what its publisher said that it is
    why: str
    aside: dict[str, str | int]  # the headers of what was set aside
    body: bytes
    tag: int  # of this look


class Shelf:
    """The messages of a broker's queues, while its link is up. Nothing leaves but by `settle`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def letters(self, queue: Queue) -> tuple[list[Letter], Channel]:
        """At most MOST and MOST_BYTES of them, held by the channel until it closes.

        Raises: LostError
        """
        channel = await self._link.channel(apart=True)
        found: list[Letter] = []
        size = 0
        async for letter in bodies(channel, queue.name):
            found.append(letter)
            size += len(letter.body)
            if len(found) == MOST or size > MOST_BYTES:
                break
        return found, channel

    async def show(self, queues: Sequence[Queue]) -> list[Letter]:
        """Raises: LostError"""
        shown: list[Letter] = []
        for queue in queues:
            found, channel = await self.letters(queue)
            shown += found
            channel.close()
        return shown

    async def remove(self, queues: Sequence[Queue], letter_id: str, *, again: bool) -> Letter:
        """Takes the first with that id out, published anew where `again`.

        Raises: LostError, LetterError
        """
        for queue in queues:
            found, channel = await self.letters(queue)
            for letter in found:
                if letter.id == letter_id:
                    if again:
                        await publish(await publishing(self._link), _again(letter))
                    channel.raw.basic_ack(letter.tag)
                    channel.close()
                    return letter
            channel.close()
        raise LetterError(
            f"{letter_id[:80]!a}: no such message waits; `pagetally dead` lists those that do"
        )


@asynccontextmanager
async def shelf(url: str, ca_file: Path | None) -> AsyncIterator[Shelf]:
    """Raises: ValueError, where `url` is no broker's; LostError."""
    link = Link()
    try:
        await link.open(parameters_of(url, "pagetally dead", ca_file), lambda _: None)
        yield Shelf(link)
    finally:
        await link.close(_CLOSE_S)


async def bodies(channel: Channel, queue: str) -> AsyncIterator[Letter]:
    """Each that is in the queue, unacknowledged. Raises: LostError"""
    asked: list[asyncio.Future[Any]] = []  # at most one
    channel.raw.add_callback(lambda _: settle(asked.pop()), [Basic.GetEmpty], one_shot=False)
    while True:
        asked.append(channel.expect())
        channel.raw.basic_get(queue, lambda _, *got: settle(asked.pop(), got))
        got = await asked[0]
        if got is None:
            return
        yield _letter(queue, *got)


def _letter(queue: str, method: Any, properties: Any, body: bytes) -> Letter:  # noqa: ANN401
    headers = properties.headers or {}
    aside: dict[str, str | int] = {
        name: clean(str(headers[name]), 300) or ""
        for name in ("queue", "reason")
        if name in headers
    }
    why = ": ".join(map(str, aside.values())) or died_of(headers)
    return Letter(
        id=hashlib.sha256(body).hexdigest()[:12],
        queue=queue,
        key=str(method.routing_key),
        type=str(properties.type or ""),
        why=why,
        aside=aside,
        body=body,
        tag=method.delivery_tag,
    )


def _again(letter: Letter) -> Post:
    """Raises: LetterError"""
    if letter.key == DeviceFound.routing_key:
        raise LetterError("an order is not given again: ask for a new round")
    if letter.key not in MESSAGES:
        raise LetterError(f"no message of this version has the key {letter.key[:80]!a}")
    return Post(EXCHANGE, letter.key, letter.key, letter.body)


async def publishing(link: Link) -> Window:
    """Raises: LostError"""
    window = Window()
    await window.connect(await link.channel(apart=True))
    return window


async def publish(window: Window, post: Post) -> None:
    """Returns when a queue holds it. Raises: LostError, LetterError"""
    fault = await window.put(post).outcome
    if fault is not None:
        raise LetterError(fault)
