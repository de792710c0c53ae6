"""What is declared at the broker: topic exchanges, quorum queues, bindings.

A queue that exists with other arguments is refused by the broker (406): changed arguments need a
queue of another name. `x-delivery-limit` is always said: without it RabbitMQ 3.10 drops a message
at its first requeue and 4.x after twenty. Exchanges that only the broker feeds, by dead-lettering,
are internal: nobody can publish to them. A dead letter keeps its routing key.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.bus.amqp import Channel
from shared.bus.port import ASIDE, EXCHANGE, FED_BY_QUEUES, Queue


def arguments(queue: Queue) -> dict[str, str | int]:
    given: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": queue.delivery_limit,
    }
    if queue.newest_only:
        given |= {"x-max-length": 1, "x-overflow": "drop-head"}
    elif queue.at_most is not None:
        messages, size = queue.at_most
        given |= {
            "x-max-length": messages,
            "x-max-length-bytes": size,
            "x-overflow": "reject-publish",
        }
    elif queue.dead_letters is not None:
        # at-least-once asks for reject-publish; there is no length to reject at
        given |= {
            "x-dead-letter-exchange": queue.dead_letters.exchange,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return given


def bindings(queue: Queue) -> tuple[str, ...]:
    """The routing keys by which its exchange feeds it."""
    return tuple(kind.routing_key for kind in queue.carries) or ("#",)


def with_kin(queues: Iterable[Queue]) -> list[Queue]:
    """The queues with their dead letters, these first, and what is set aside; each once."""
    found: dict[str, Queue] = {}

    def add(queue: Queue) -> None:
        if queue.dead_letters is not None:
            add(queue.dead_letters)
        found.setdefault(queue.name, queue)

    for queue in (ASIDE, *queues):
        add(queue)
    return list(found.values())


async def declare(channel: Channel, queues: Iterable[Queue]) -> None:
    """Raises: LostError, RefusedError"""
    raw = channel.raw
    all_queues = with_kin(queues)
    for exchange in dict.fromkeys((EXCHANGE, *(queue.exchange for queue in all_queues))):
        await channel.call(
            raw.exchange_declare,
            exchange=exchange,
            exchange_type="topic",
            durable=True,
            internal=exchange in FED_BY_QUEUES,
        )
    for queue in all_queues:
        await channel.call(
            raw.queue_declare, queue=queue.name, durable=True, arguments=arguments(queue)
        )
        for key in bindings(queue):
            await channel.call(
                raw.queue_bind, queue=queue.name, exchange=queue.exchange, routing_key=key
            )


async def look(channel: Channel, queues: Iterable[Queue]) -> None:
    """Whether all is there, which any user may ask. Raises: LostError"""
    for queue in with_kin(queues):
        await channel.call(channel.raw.exchange_declare, exchange=queue.exchange, passive=True)
        await channel.call(channel.raw.queue_declare, queue=queue.name, passive=True)
