"""What every bus does, on the one in process and on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import uuid4

import pytest

from shared.bus.local import LocalBus
from shared.bus.port import (
    DISCOVERY_SCOPE,
    POLLER_ALONE,
    POLLER_DEAD,
    POLLER_FOUND,
    UPLOADER_EVENTS,
    Bus,
    BusDownError,
    CannotStoreError,
    Delivery,
    Handler,
)
from shared.bus.rabbit import RabbitBus
from shared.decode import MessageError
from shared.message import Message
from shared.messages import DeviceFound
from tests.contract.bus_parts import SOON_S, Gate, Inbox, failed, order, scope, until

NewBus = Callable[[], Bus]


@pytest.fixture(params=["local", "rabbit"])
async def new_bus(request: pytest.FixtureRequest) -> AsyncIterator[NewBus]:
    """Makes buses that reach one another: with RabbitMQ each its own, in process always one."""
    if request.param == "local":
        shared = LocalBus(publish_timeout_s=SOON_S)
        yield lambda: shared
        await shared.stop()
        return
    url = request.getfixturevalue("rabbit_vhost")
    made: list[RabbitBus] = []

    def make() -> Bus:
        feeds = [POLLER_FOUND, UPLOADER_EVENTS, DISCOVERY_SCOPE]
        made.append(RabbitBus(url, feeds=feeds, publish_timeout_s=SOON_S, store_pause_s=0.2))
        return made[-1]

    yield make
    await asyncio.gather(*(bus.stop() for bus in made))


async def started(bus: Bus) -> Bus:
    await bus.start()
    return bus


async def test_what_is_published_is_handled_as_the_same_message(new_bus: NewBus) -> None:
    bus, inbox = new_bus(), Inbox()
    bus.on(POLLER_FOUND, inbox, prefetch=5)
    await bus.start()

    await bus.publish(order(1))

    await inbox.holds({order(1).id})
    assert inbox.messages == [order(1)]
    assert bus.problem() is None


async def test_what_a_handler_returns_is_published_in_its_turn(new_bus: NewBus) -> None:
    bus, outcomes = new_bus(), Inbox()

    async def fail(found: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(found, DeviceFound)
        return [failed(found)]

    bus.on(POLLER_FOUND, fail, prefetch=5)
    bus.on(UPLOADER_EVENTS, outcomes, prefetch=5)
    await bus.start()

    await asyncio.gather(*(bus.publish(order(number)) for number in range(20)))

    await outcomes.holds({failed(order(number)).id for number in range(20)})
    assert len(outcomes.messages) == 20


async def test_a_publisher_that_starts_before_any_consumer_loses_nothing(new_bus: NewBus) -> None:
    publisher = await started(new_bus())
    publishing = [asyncio.create_task(publisher.publish(order(number))) for number in range(30)]
    await asyncio.sleep(0.2)

    consumer, inbox = new_bus(), Inbox()
    consumer.on(POLLER_FOUND, inbox, prefetch=10)
    await consumer.start()
    await asyncio.gather(*publishing)

    await inbox.holds({order(number).id for number in range(30)})


async def test_a_message_whose_handler_raises_goes_to_the_dead_letters(new_bus: NewBus) -> None:
    bus, dead = new_bus(), Inbox()
    died_of: list[str] = []

    async def mourn(found: Message, delivery: Delivery) -> Sequence[Message]:
        died_of.append(delivery.died_of)
        return await dead(found, delivery)

    async def stumble(found: Message, _: Delivery) -> Sequence[Message]:
        if found == order(3):
            raise KeyError("a bug")
        return []

    bus.on(POLLER_FOUND, stumble, prefetch=5)
    bus.on(POLLER_ALONE, stumble, prefetch=1)
    bus.on(POLLER_DEAD, mourn, prefetch=1)
    await bus.start()

    await asyncio.gather(*(bus.publish(order(number)) for number in range(6)))

    await dead.holds({order(3).id})
    assert dead.messages == [order(3)]
    assert died_of == [
        "poller.found.2: given up by its reader; poller.alone.2: given up by its reader"
    ]


async def test_a_handler_that_returns_what_nobody_could_decode_is_a_failing_handler(
    new_bus: NewBus,
) -> None:
    bus, dead = new_bus(), Inbox()

    async def too_much(found: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(found, DeviceFound)
        return [failed(found).model_copy(update={"reason": "x" * 2_000_000})]

    bus.on(POLLER_FOUND, too_much, prefetch=1)
    bus.on(POLLER_ALONE, too_much, prefetch=1)
    bus.on(POLLER_DEAD, dead, prefetch=1)
    await bus.start()

    await bus.publish(order(1))

    await dead.holds({order(1).id})


async def test_no_more_handlers_run_at_once_than_the_prefetch(new_bus: NewBus) -> None:
    bus, gate = new_bus(), Gate()
    bus.on(POLLER_FOUND, gate, prefetch=4)
    await bus.start()
    publishing = [asyncio.create_task(bus.publish(order(number))) for number in range(12)]

    await gate.has(4)
    await asyncio.sleep(0.1)
    assert gate.most == 4

    gate.open.set()
    await asyncio.gather(*publishing)
    await until(lambda: len(gate.done) == 12)
    assert gate.most == 4


async def test_a_queue_of_the_newest_only_forgets_what_was_replaced_while_it_waited(
    new_bus: NewBus,
) -> None:
    bus, gate = new_bus(), Gate()
    bus.on(DISCOVERY_SCOPE, gate, prefetch=1)
    await bus.start()
    publishing = [asyncio.create_task(bus.publish(scope(1)))]
    await gate.has(1)

    for version in (2, 3, 4):
        publishing.append(asyncio.create_task(bus.publish(scope(version))))
        await asyncio.sleep(0.05)
    gate.open.set()
    await asyncio.gather(*publishing)

    await until(lambda: scope(4) in gate.done)
    assert gate.done == [scope(1), scope(4)]


async def test_stop_finishes_what_is_in_hand(new_bus: NewBus) -> None:
    bus, gate = new_bus(), Gate()
    outcomes = Inbox()

    async def slow(found: Message, delivery: Delivery) -> Sequence[Message]:
        assert isinstance(found, DeviceFound)
        await gate(found, delivery)
        return [failed(found)]

    bus.on(POLLER_FOUND, slow, prefetch=3)
    bus.on(UPLOADER_EVENTS, outcomes, prefetch=3)
    await bus.start()
    publishing = [asyncio.create_task(bus.publish(order(number))) for number in range(3)]
    await gate.has(3)

    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    gate.open.set()
    await stopping

    assert len(gate.done) == 3
    await asyncio.gather(*publishing)
    with pytest.raises(BusDownError):
        await bus.publish(order(9))
    assert bus.problem() is not None


async def test_each_message_comes_though_handlers_are_slow(new_bus: NewBus) -> None:
    bus, inbox = new_bus(), Inbox()

    async def dawdle(found: Message, delivery: Delivery) -> Sequence[Message]:
        await asyncio.sleep(0.02)
        return await inbox(found, delivery)

    bus.on(POLLER_FOUND, dawdle, prefetch=7)
    await bus.start()

    await asyncio.gather(*(bus.publish(order(number)) for number in range(100)))

    await inbox.holds({order(number).id for number in range(100)})


@pytest.mark.parametrize(
    "update",
    [{"order": uuid4()}, {"given": -1}, {"credential": "x" * 2_000_000}, {"credential": "\ud800"}],
    ids=["an order of another round", "a count below zero", "2 MB", "a lone surrogate"],
)
async def test_what_its_readers_could_not_decode_is_not_published(
    new_bus: NewBus, update: dict[str, object]
) -> None:
    bus, inbox = new_bus(), Inbox()
    bus.on(POLLER_FOUND, inbox, prefetch=1)
    await bus.start()

    with pytest.raises(MessageError):
        await bus.publish(order(1).model_copy(update=update))

    assert inbox.messages == []


async def test_what_cannot_be_stored_is_not_lost(new_bus: NewBus) -> None:
    """On the local bus its publisher keeps it; RabbitMQ keeps it until there is room again."""
    bus, inbox = new_bus(), Inbox()
    full = True

    async def store(found: Message, delivery: Delivery) -> Sequence[Message]:
        if full:
            raise CannotStoreError("no space left on device")
        return await inbox(found, delivery)

    handler: Handler = store
    bus.on(UPLOADER_EVENTS, handler, prefetch=5)
    await bus.start()

    try:
        await bus.publish(failed(order(1)))
    except BusDownError as error:
        assert "no space left on device" in str(error)
        full = False
        await bus.publish(failed(order(1)))
    else:
        await until(lambda: "no space left on device" in (bus.problem() or ""))
        full = False

    await inbox.holds({failed(order(1)).id})
    await until(lambda: bus.problem() is None)
