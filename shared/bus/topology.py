"""What is declared at the broker: one exchange, quorum queues, bindings.

A queue that exists with other arguments is refused by the broker (406): changed arguments need a
queue of another name. `x-delivery-limit` is always said: without it RabbitMQ 3.10 drops a message
at its first requeue and 4.x after twenty.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.bus.amqp import Channel
from shared.bus.port import ASIDE, Queue

EXCHANGE = "pagetally"
_ASIDE_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 1_000_000,
    "x-max-length": 10_000,
    "x-max-length-bytes": 268_435_456,
    "x-overflow": "drop-head",
}


def arguments(queue: Queue) -> dict[str, str | int]:
    given: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": queue.delivery_limit,
    }
    if queue.newest_only:
        given |= {"x-max-length": 1, "x-overflow": "drop-head"}
    elif queue.dead_letters is not None:
        # at-least-once asks for reject-publish; there is no length to reject at
        given |= {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue.dead_letters.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return given


def with_kin(queues: Iterable[Queue]) -> list[Queue]:
    """The queues with their dead letters and suspects, these first, each once."""
    found: dict[str, Queue] = {}

    def add(queue: Queue) -> None:
        for kin in (queue.dead_letters, queue.suspects):
            if kin is not None:
                add(kin)
        found.setdefault(queue.name, queue)

    for queue in queues:
        add(queue)
    return list(found.values())


async def declare(channel: Channel, queues: Iterable[Queue]) -> None:
    """Raises: LostError"""
    raw = channel.raw
    await channel.call(raw.exchange_declare, exchange=EXCHANGE, exchange_type="topic", durable=True)
    await channel.call(raw.queue_declare, queue=ASIDE, durable=True, arguments=_ASIDE_ARGUMENTS)
    for queue in with_kin(queues):
        await channel.call(
            raw.queue_declare, queue=queue.name, durable=True, arguments=arguments(queue)
        )
        for kind in queue.carries:
            await channel.call(
                raw.queue_bind, queue=queue.name, exchange=EXCHANGE, routing_key=kind.routing_key
            )
