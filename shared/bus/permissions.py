"""Who may do what at the broker: each service a user of its own, with what it needs and no more.

A service's user declares nothing: exchanges, queues and bindings are made beforehand (definitions
or `pagetally broker set-up`), since who may bind a queue could feed it with what he publishes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from shared.bus.port import (
    ASIDE,
    ASIDE_EXCHANGE,
    DISCOVERY_SCOPE,
    EXCHANGE,
    POLLER_ALONE,
    POLLER_DEAD,
    POLLER_FOUND,
    UPLOADER_DEAD,
    UPLOADER_EVENTS,
    Queue,
)
from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed, RoundFinished, SegmentsListed
from shared.scope import Scope

NOTHING = "^$"
OPERATOR = "operator"  # who looks at dead letters, by `pagetally dead`


class Permissions(NamedTuple):
    """Regular expressions over names; the topic ones are over routing keys, at `EXCHANGE`."""

    configure: str
    write: str
    read: str
    topic_write: str
    topic_read: str


class _Part(NamedTuple):
    publishes: tuple[type[Message], ...]
    reads: tuple[Queue, ...]
    sets_aside: bool = True


_PARTS = {
    "discovery": _Part((DeviceFound, RoundFinished, SegmentsListed), (DISCOVERY_SCOPE,)),
    "poller": _Part((MeterRead, ReadFailed), (POLLER_FOUND, POLLER_ALONE, POLLER_DEAD)),
    "uploader": _Part((Scope,), (UPLOADER_EVENTS,)),
    OPERATOR: _Part(UPLOADER_EVENTS.carries, (UPLOADER_DEAD, POLLER_DEAD, ASIDE), sets_aside=False),
}
USERS = tuple(_PARTS)


def permissions(user: str) -> Permissions:
    """Of a user that is none of `USERS`: nothing."""
    part = _PARTS.get(user)
    if part is None:
        return Permissions(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    exchanges = (EXCHANGE, ASIDE_EXCHANGE) if part.sets_aside else (EXCHANGE,)
    return Permissions(
        configure=NOTHING,
        write=_one_of(exchanges),
        read=_one_of(queue.name for queue in part.reads),
        topic_write=_one_of(kind.routing_key for kind in part.publishes),
        topic_read=NOTHING,
    )


def _one_of(names: Iterable[str]) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"
