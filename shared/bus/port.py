"""The bus as services see it: queues, deliveries, handlers. Adapters: rabbit.py and local.py.

`publish` returns once the message is safe: with RabbitMQ, when a durable queue holds it; in one
process, when its handler has finished and all that the handler returned is safe in its turn.
A delivery is acknowledged only after what its handler returned is safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed, RoundFinished, SegmentsListed
from shared.scope import Scope


class BusDownError(Exception):
    """The broker could not take the message in time; it may or may not be stored."""


@dataclass(frozen=True)
class Queue:
    """A durable queue. Its name carries a version: changed arguments need a new name."""

    name: str
    carries: tuple[type[Message], ...]  # messages bound by routing key; empty: fed by name only
    delivery_limit: int
    dead_letters: Queue | None = None
    suspects: Queue | None = (
        None  # where a message goes that was not finished `suspect_after` times
    )
    suspect_after: int = 2
    newest_only: bool = False

    def __post_init__(self) -> None:
        if self.newest_only and self.dead_letters is not None:
            raise ValueError(f"{self.name}: what a newer one replaces would be a dead letter")


POLLER_DEAD = Queue("poller.dead.1", carries=(), delivery_limit=1_000_000)
POLLER_ALONE = Queue("poller.alone.1", carries=(), delivery_limit=20, dead_letters=POLLER_DEAD)
POLLER_FOUND = Queue(
    "poller.found.1",
    carries=(DeviceFound,),
    delivery_limit=20,
    dead_letters=POLLER_DEAD,
    suspects=POLLER_ALONE,
)
UPLOADER_DEAD = Queue("uploader.dead.1", carries=(), delivery_limit=1_000_000)
UPLOADER_EVENTS = Queue(
    "uploader.events.1",
    carries=(MeterRead, ReadFailed, RoundFinished, SegmentsListed),
    delivery_limit=1_000_000,
    dead_letters=UPLOADER_DEAD,
)
DISCOVERY_SCOPE = Queue(
    "discovery.scope.1", carries=(Scope,), delivery_limit=1_000_000, newest_only=True
)
ASIDE = "pagetally.aside.1"  # bodies that are no message, with the reason as a header


class Delivery(NamedTuple):
    """What the bus knows of a delivery: how often it was made before and not finished."""

    times: int = 0


Handler = Callable[[Message, Delivery], Awaitable[Sequence[Message]]]


class Bus(Protocol):
    def on(self, queue: Queue, handler: Handler, *, prefetch: int) -> None:
        """Handle what `queue` delivers, at most `prefetch` at once. Call before `start`.

        A handler that raises has its message dead-lettered; one that raises `CannotStoreError`
        stops taking from the queue and leaves it unacknowledged.
        """

    async def start(self) -> None: ...

    async def publish(self, message: Message) -> None:
        """Raises: BusDownError, where the message could not be made safe within the time set."""

    async def stop(self) -> None:
        """Stop taking, finish what is in hand, acknowledge, close; within 20 s."""

    def problem(self) -> str | None:
        """What keeps the bus from working now, in words; None while it works."""


class CannotStoreError(Exception):
    """A handler cannot keep the message (a full disk): it stays with the bus, unacknowledged."""
