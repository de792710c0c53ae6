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


EXCHANGE = "pagetally"  # what services publish, by routing key
DEAD_EXCHANGE = "pagetally.dead"
ALONE_EXCHANGE = "pagetally.alone"
ASIDE_EXCHANGE = "pagetally.aside"
FED_BY_QUEUES = (DEAD_EXCHANGE, ALONE_EXCHANGE)  # nobody publishes to these


@dataclass(frozen=True)
class Queue:
    """A durable queue. Its name carries a version: changed arguments need a new name."""

    name: str
    carries: tuple[type[Message], ...]  # bound by their routing keys; empty: whatever comes
    delivery_limit: int
    exchange: str = EXCHANGE
    dead_letters: Queue | None = None  # where the broker moves what is refused or past the limit
    suspect_after: int | None = None  # so often not finished: to the dead letters, without a look
    ended_before: int = 0  # how often what arrives was not finished elsewhere
    newest_only: bool = False
    at_most: tuple[int, int] | None = None  # messages, bytes; what would go beyond is refused

    def __post_init__(self) -> None:
        if self.newest_only and self.dead_letters is not None:
            raise ValueError(f"{self.name}: what a newer one replaces would be a dead letter")
        if self.suspect_after is not None and self.dead_letters is None:
            raise ValueError(f"{self.name}: its suspects would be lost")


_NO_LIMIT = 1_000_000  # the broker knows none; without a word it drops after few deliveries
_EVENTS = (MeterRead, ReadFailed, RoundFinished, SegmentsListed)

POLLER_DEAD = Queue(
    "poller.dead.2", carries=(DeviceFound,), delivery_limit=_NO_LIMIT, exchange=DEAD_EXCHANGE
)
POLLER_ALONE = Queue(
    "poller.alone.2",
    carries=(DeviceFound,),
    delivery_limit=20,
    exchange=ALONE_EXCHANGE,
    dead_letters=POLLER_DEAD,
    ended_before=2,
)
POLLER_FOUND = Queue(
    "poller.found.2",
    carries=(DeviceFound,),
    delivery_limit=20,
    dead_letters=POLLER_ALONE,
    suspect_after=2,
)
UPLOADER_DEAD = Queue(
    "uploader.dead.2", carries=_EVENTS, delivery_limit=_NO_LIMIT, exchange=DEAD_EXCHANGE
)
UPLOADER_EVENTS = Queue(
    "uploader.events.2", carries=_EVENTS, delivery_limit=_NO_LIMIT, dead_letters=UPLOADER_DEAD
)
DISCOVERY_SCOPE = Queue(
    "discovery.scope.1", carries=(Scope,), delivery_limit=_NO_LIMIT, newest_only=True
)
ASIDE = Queue(  # bodies that are no message, with the reason as a header
    "pagetally.aside.2",
    carries=(),
    delivery_limit=_NO_LIMIT,
    exchange=ASIDE_EXCHANGE,
    at_most=(10_000, 268_435_456),
)
FORMER = (  # queues of earlier versions, which nothing reads any more
    "poller.found.1",
    "poller.alone.1",
    "poller.dead.1",
    "uploader.events.1",
    "uploader.dead.1",
    "pagetally.aside.1",
)


class Delivery(NamedTuple):
    """What the bus knows of a delivery."""

    times: int = 0  # how often it was made before and not finished
    died_of: str = ""  # why it is a dead letter, in words


Handler = Callable[[Message, Delivery], Awaitable[Sequence[Message]]]


class Bus(Protocol):
    def on(self, queue: Queue, handler: Handler, *, prefetch: int) -> None:
        """Handle what `queue` delivers, at most `prefetch` at once. Call before `start`.

        A handler that raises has its message dead-lettered: one that is read alone after that may
        be handled once more. One that raises `CannotStoreError` stops taking from the queue and
        leaves it unacknowledged.
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
