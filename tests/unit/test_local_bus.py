"""What only the bus in one process does; the rest is in tests/contract/test_bus.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.bus import local
from shared.bus.local import LocalBus
from shared.bus.port import (
    POLLER_DEAD,
    POLLER_FOUND,
    UPLOADER_EVENTS,
    BusDownError,
    CannotStoreError,
    Delivery,
)
from shared.message import Message
from shared.messages import DeviceFound
from tests.contract.bus_parts import Gate, Inbox, failed, order


async def stumble(_: Message, __: Delivery) -> Sequence[Message]:
    raise KeyError("a bug")


async def fail(found: Message, _: Delivery) -> Sequence[Message]:
    assert isinstance(found, DeviceFound)
    return [failed(found)]


async def test_publish_returns_only_when_all_that_follows_is_handled() -> None:
    bus, gate = LocalBus(), Gate()
    bus.on(POLLER_FOUND, fail, prefetch=1)
    bus.on(UPLOADER_EVENTS, gate, prefetch=1)
    publishing = asyncio.create_task(bus.publish(order(1)))

    await gate.has(1)
    assert not publishing.done()

    gate.open.set()
    await publishing


async def test_what_nothing_reads_is_not_published() -> None:
    with pytest.raises(BusDownError, match=r"device\.found\.v1: nothing reads it"):
        await LocalBus(publish_timeout_s=0.05).publish(order(1))


async def test_a_publisher_that_waits_for_a_reader_ends_with_the_bus() -> None:
    bus = LocalBus()
    publishing = asyncio.create_task(bus.publish(order(1)))
    await asyncio.sleep(0)

    await bus.stop()

    with pytest.raises(BusDownError):
        await publishing


async def test_a_publisher_that_waits_for_its_turn_is_told_that_the_bus_stopped() -> None:
    bus, gate = LocalBus(), Gate()
    bus.on(POLLER_FOUND, gate, prefetch=1)
    first, second = (asyncio.create_task(bus.publish(order(number))) for number in (1, 2))
    await gate.has(1)

    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0)
    gate.open.set()
    await stopping

    await first
    with pytest.raises(BusDownError, match="the bus has stopped"):
        await second
    assert gate.done == [order(1)]


async def test_a_handler_that_never_ends_does_not_keep_the_bus_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "STOP_S", 0.05)
    bus, gate = LocalBus(), Gate()
    bus.on(POLLER_FOUND, gate, prefetch=1)
    publishing = asyncio.create_task(bus.publish(order(1)))
    await gate.has(1)

    await bus.stop()

    with pytest.raises(BusDownError, match="not finished when the bus stopped"):
        await publishing


async def test_a_failing_handler_without_dead_letters_is_told_to_the_publisher() -> None:
    bus = LocalBus()
    bus.on(POLLER_FOUND, stumble, prefetch=1)

    with pytest.raises(BusDownError, match="a bug"):
        await bus.publish(order(1))


async def test_a_dead_letter_that_fails_too_is_told_to_the_publisher() -> None:
    bus = LocalBus()
    bus.on(POLLER_FOUND, stumble, prefetch=1)
    bus.on(POLLER_DEAD, stumble, prefetch=1)

    with pytest.raises(BusDownError, match=POLLER_DEAD.name):
        await bus.publish(order(1))


async def test_what_a_later_handler_cannot_store_is_told_to_the_first_publisher() -> None:
    """The order's own handler did its work: nothing is dead-lettered."""
    bus, dead = LocalBus(), Inbox()

    async def full(_: Message, __: Delivery) -> Sequence[Message]:
        raise CannotStoreError("no space left on device")

    bus.on(POLLER_FOUND, fail, prefetch=1)
    bus.on(POLLER_DEAD, dead, prefetch=1)
    bus.on(UPLOADER_EVENTS, full, prefetch=1)

    with pytest.raises(BusDownError, match="no space left on device"):
        await bus.publish(order(1))
    assert dead.messages == []


async def test_a_publisher_that_is_cancelled_leaves_the_handler_alone() -> None:
    bus, gate = LocalBus(), Gate()
    bus.on(POLLER_FOUND, gate, prefetch=1)
    publishing = asyncio.create_task(bus.publish(order(1)))
    await gate.has(1)

    publishing.cancel()
    gate.open.set()
    await bus.stop()

    assert gate.done == [order(1)]
