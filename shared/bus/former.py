"""Queues of earlier versions: what waits in them goes to today's, and they are deleted."""

from __future__ import annotations

from typing import NamedTuple

from shared.bus.amqp import Channel, Link, LostError
from shared.bus.frames import Post
from shared.bus.letters import bodies, publish, publishing
from shared.bus.port import ASIDE_EXCHANGE, EXCHANGE, FORMER
from shared.decode import MESSAGES


class Emptied(NamedTuple):
    queue: str
    moved: int
    readers: int  # more than 0: an earlier version still reads it, and it was left as it is


async def empty_former(link: Link) -> list[Emptied]:
    """Those that were there. A crash leaves a message in both: ids make that harmless.

    Raises: LostError; LetterError, where no queue takes what is moved.
    """
    emptied = []
    for queue in FORMER:
        channel = await link.channel(apart=True)
        try:
            declared = await channel.call(channel.raw.queue_declare, queue=queue, passive=True)
        except LostError:
            continue
        readers = declared.method.consumer_count
        moved = 0 if readers else await _emptied(link, channel, queue)
        emptied.append(Emptied(queue, moved, readers))
        channel.close()
    return emptied


async def _emptied(link: Link, channel: Channel, queue: str) -> int:
    raw = channel.raw
    for key in MESSAGES:
        await channel.call(raw.queue_unbind, queue=queue, exchange=EXCHANGE, routing_key=key)
    moved, window = 0, await publishing(link)
    async for letter in bodies(channel, queue):
        kind = letter.type or letter.key
        if queue.startswith(ASIDE_EXCHANGE) or kind not in MESSAGES:
            post = Post(ASIDE_EXCHANGE, kind[:200], kind[:200], letter.body, headers=letter.aside)
        else:
            post = Post(EXCHANGE, kind, kind, letter.body)
        await publish(window, post)
        raw.basic_ack(letter.tag)
        moved += 1
    await channel.call(raw.queue_delete, queue=queue)
    return moved
