"""Messages, handlers and waits that the tests of the buses share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from uuid import UUID

from shared.bus.port import Delivery
from shared.message import Message
from shared.messages import DeviceFound, DeviceIdentity, MeterRead, ReadFailed, SnmpTarget, order_id
from shared.scope import Scope

ROUND = UUID("0e5f7f57-5a68-4a39-9a53-6b3d4ad8d4d5")
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SOON_S = 10.0


async def until(true: Callable[[], bool], within_s: float = SOON_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  (what is waited for may be anywhere)
            await asyncio.sleep(0.01)


def order(number: int, round_id: UUID = ROUND) -> DeviceFound:
    target = SnmpTarget(snmp=str(IPv4Address("127.1.0.0") + number))
    return DeviceFound(
        order=order_id(round_id, target),
        round=round_id,
        target=target,
        found_by="sweep",
        read_before=AT,
    )


def failed(found: DeviceFound, reason: str = "no answer in 3 tries of 2.0 s") -> ReadFailed:
    return ReadFailed(
        order=found.order,
        round=found.round,
        agent="site-1",
        target=found.target,
        failed_at=AT,
        outcome="no_answer",
        reason=reason,
    )


def read_of(found: DeviceFound, rows: int) -> MeterRead:
    """With rows of 8 kB each."""
    return MeterRead(
        order=found.order,
        round=found.round,
        agent="site-1",
        target=found.target,
        taken_at=AT,
        device=DeviceIdentity(),
        profile="rfc3805@1",
        meters={"total": 424405},
        varbinds={f"1.3.6.1.4.1.{row}": ("OctetString", "ab" * 4096) for row in range(rows)},
    )


def scope(version: int) -> Scope:
    return Scope(version=version, author="tests", changed_at=AT)


class Inbox:
    """A handler that keeps what it was given, and gives back what `answer` makes of it."""

    def __init__(self, answer: Callable[[Message], Sequence[Message]] = lambda _: ()) -> None:
        self.messages: list[Message] = []
        self._answer = answer
        self._news = asyncio.Event()

    async def __call__(self, message: Message, _: Delivery) -> Sequence[Message]:
        self.messages.append(message)
        self._news.set()
        return self._answer(message)

    @property
    def ids(self) -> set[UUID]:
        return {message.id for message in self.messages}

    async def holds(self, ids: set[UUID], within_s: float = SOON_S) -> None:
        """Fails unless each of `ids` has come in time; what comes twice is no matter."""
        async with asyncio.timeout(within_s):
            while not ids <= self.ids:
                self._news.clear()
                await self._news.wait()


class Gate:
    """A handler that waits until it is opened, and knows how many wait in it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.done: list[Message] = []

    async def __call__(self, message: Message, _: Delivery) -> Sequence[Message]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.open.wait()
        self.inside -= 1
        self.done.append(message)
        return []

    async def has(self, count: int) -> None:
        await until(lambda: self.inside >= count)
