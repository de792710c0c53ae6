"""What can happen to a broker and to those who use it, with a real one."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from prometheus_client import REGISTRY

from shared.bus.port import (
    ASIDE,
    POLLER_ALONE,
    POLLER_FOUND,
    UPLOADER_EVENTS,
    BusDownError,
    Delivery,
    Handler,
    Queue,
)
from shared.bus.rabbit import RabbitBus
from shared.bus.window import WINDOW
from shared.message import Message
from shared.messages import DeviceFound
from tests.contract.bus_parts import Gate, Inbox, failed, order, read_of, until
from tests.peers import free_port
from tests.peers.rabbit import PrivateRabbit


@asynccontextmanager
async def bus_on(
    url: str, *handlers: tuple[Queue, Handler, int], **settings: Any
) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(url, **{"feeds": [POLLER_FOUND, UPLOADER_EVENTS], **settings})
    for queue, handler, prefetch in handlers:
        bus.on(queue, handler, prefetch=prefetch)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


async def at_broker(url: str, act: Callable[[Any], Any]) -> Any:
    """What `act` makes of a plain channel, as somebody else than Pagetally would use it."""

    def connect_and_act() -> Any:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        try:
            return act(connection.channel())
        finally:
            with suppress(pika.exceptions.AMQPError):
                connection.close()

    return await asyncio.to_thread(connect_and_act)


async def depth(url: str, queue: str) -> int:
    declared = await at_broker(url, lambda c: c.queue_declare(queue, passive=True))
    count: int = declared.method.message_count
    return count


async def fail(found: Message, _: Delivery) -> Sequence[Message]:
    assert isinstance(found, DeviceFound)
    return [failed(found)]


class Wire:
    """The TCP connections between a bus and its broker, which can be cut at once."""

    def __init__(self, url: str) -> None:
        self._broker = urlsplit(url)
        self._writers: list[asyncio.StreamWriter] = []
        self.swallows = False  # what a bus sends gets nowhere
        self.swallows_answers = False

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"amqp://guest:guest@127.0.0.1:{port}{self._broker.path}"
        return self

    def close(self) -> None:
        """Nothing listens here any more."""
        self._server.close()
        self.cut()

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._broker.hostname is not None
        other = await asyncio.open_connection(self._broker.hostname, self._broker.port)
        self._writers += [writer, other[1]]
        await asyncio.gather(
            self._copy(reader, other[1], lambda: self.swallows),
            self._copy(other[0], writer, lambda: self.swallows_answers),
        )

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        swallows: Callable[[], bool],
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if not swallows():
                    writer.write(chunk)
                    await writer.drain()
        writer.transport.abort()


async def test_a_broker_that_restarts_amid_2000_orders_loses_none(
    rabbit: PrivateRabbit, rabbit_vhost: str
) -> None:
    outcomes = Inbox()
    readers: list[tuple[Queue, Handler, int]] = [
        (POLLER_FOUND, fail, 50),
        (POLLER_ALONE, fail, 1),
        (UPLOADER_EVENTS, outcomes, 100),
    ]
    async with bus_on(rabbit_vhost) as publisher, bus_on(rabbit_vhost, *readers):
        publishing = asyncio.gather(*(publisher.publish(order(n)) for n in range(2000)))
        await until(lambda: len(outcomes.messages) > 300)
        await asyncio.to_thread(rabbit.stop)
        await until(lambda: publisher.problem() is not None)
        rabbit.launch()
        await asyncio.to_thread(rabbit.wait_until_up)

        await publishing
        await outcomes.holds({failed(order(n)).id for n in range(2000)}, within_s=30)
        await until(lambda: publisher.problem() is None, within_s=30)


async def test_what_a_lost_connection_left_unconfirmed_is_published_again(
    rabbit_vhost: str,
) -> None:
    async with Wire(rabbit_vhost) as wire, bus_on(wire.url) as bus:
        wire.swallows = True
        publishing = [asyncio.create_task(bus.publish(order(n))) for n in range(300)]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in publishing)

        wire.swallows = False
        wire.cut()
        await asyncio.gather(*publishing)

        assert await depth(rabbit_vhost, POLLER_FOUND.name) == 300


async def test_what_is_never_confirmed_ends_in_time_and_leaves_its_place(rabbit_vhost: str) -> None:
    async with Wire(rabbit_vhost) as wire, bus_on(wire.url, publish_timeout_s=2.0) as bus:
        wire.swallows_answers = True
        publishing = [asyncio.create_task(bus.publish(order(n))) for n in range(WINDOW + 50)]
        await asyncio.sleep(0.2)
        for task in publishing[: WINDOW // 2]:
            task.cancel()
        told = await asyncio.gather(*publishing[WINDOW // 2 :], return_exceptions=True)
        wire.swallows_answers = False

        await bus.publish(order(WINDOW + 50))

        assert {str(each) for each in told} == {
            "device.found.v1: the broker did not take it in 2 s: no confirm came"
        }


async def test_fifty_prefetched_orders_and_six_cuts_lose_none(rabbit_vhost: str) -> None:
    gate, outcomes, alone = Gate(), Inbox(), Inbox()

    async def read(found: Message, delivery: Delivery) -> Sequence[Message]:
        await gate(found, delivery)
        return await fail(found, delivery)

    async def read_alone(found: Message, delivery: Delivery) -> Sequence[Message]:
        await alone(found, delivery)
        return await read(found, delivery)

    async with bus_on(rabbit_vhost, (UPLOADER_EVENTS, outcomes, 50)) as publisher:
        await asyncio.gather(*(publisher.publish(order(n)) for n in range(50)))
        async with Wire(rabbit_vhost) as wire:
            readers = (POLLER_FOUND, read, 50), (POLLER_ALONE, read_alone, 1)
            async with bus_on(wire.url, *readers) as reader:
                await gate.has(50)
                for _ in range(6):
                    wire.cut()
                    await until(lambda: reader.problem() is not None)
                    await until(lambda: reader.problem() is None)
                    await asyncio.sleep(0.2)
                assert gate.most <= 51  # the handlers of lost deliveries count as well
                gate.open.set()
                await outcomes.holds({failed(order(n)).id for n in range(50)})
                await until(lambda: len(alone.messages) > 0)  # to come twice is to be suspected


async def test_a_reader_killed_by_three_orders_takes_no_neighbour_along(rabbit_vhost: str) -> None:
    """Each of them ends the process ten times: were those counted for others, these would end."""
    poison = [str(order(n).id) for n in (7, 8, 55)]
    handled: dict[str, tuple[int, str]] = {}
    async with bus_on(rabbit_vhost) as publisher:
        await asyncio.gather(*(publisher.publish(order(n)) for n in range(80)))
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.contract.dying_reader", rabbit_vhost, *poison),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert reader.stdout is not None
        async with asyncio.timeout(60):
            while len(handled) < 80:
                name, times, queue = (await reader.stdout.readline()).decode().split()
                handled[name] = int(times), queue
    finally:
        os.killpg(reader.pid, signal.SIGKILL)
        await reader.wait()

    assert handled.keys() == _names(80)
    assert [handled.pop(name) for name in poison] == [(10, "alone")] * 3
    assert max(times for times, _ in handled.values()) < 10  # or they would be ended unread


async def test_suspects_are_read_before_anything_else_is_in_hand(rabbit_vhost: str) -> None:
    """A suspect that ends the process must not raise the delivery count of others."""
    suspects, inbox = Gate(), Inbox()
    async with bus_on(rabbit_vhost) as publisher:
        await publisher.publish(order(1))

        def set_apart(channel: Any) -> None:
            key = DeviceFound.routing_key
            channel.exchange_declare("apart", "topic")
            channel.queue_bind(POLLER_ALONE.name, "apart", key)
            for number in (2, 3):
                channel.basic_publish("apart", key, order(number).to_json())

        await at_broker(rabbit_vhost, set_apart)
        async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 50), (POLLER_ALONE, suspects, 1)):
            await suspects.has(1)
            await asyncio.sleep(0.3)
            assert inbox.messages == []

            suspects.open.set()
            await inbox.holds({order(1).id})
            assert suspects.done == [order(2), order(3)]


async def test_a_reader_that_is_killed_amid_its_work_loses_nothing(rabbit_vhost: str) -> None:
    inbox = Inbox()
    async with bus_on(rabbit_vhost) as publisher:
        await asyncio.gather(*(publisher.publish(order(n)) for n in range(200)))
        reader = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.contract.dying_reader", rabbit_vhost),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert reader.stdout is not None
        seen = {(await reader.stdout.readline()).split()[0].decode() for _ in range(60)}
        os.killpg(reader.pid, signal.SIGKILL)
        seen |= {line.split()[0].decode() for line in (await reader.stdout.read()).splitlines()}
        await reader.wait()
        async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 50), (POLLER_ALONE, inbox, 1)):
            await until(lambda: {str(i) for i in inbox.ids} | seen >= _names(200))


def _names(count: int) -> set[str]:
    return {str(order(number).id) for number in range(count)}


async def test_what_is_no_message_is_set_aside_with_its_reason(rabbit_vhost: str) -> None:
    good = order(1).to_json()
    key = DeviceFound.routing_key
    bodies = [
        (key, b"not json", "JSON"),
        (key, good[:-1] + b',"surprise":1}', "surprise"),
        (key, b'"' + b"x" * 10_000_000 + b'"', "10000002 bytes"),
        ("device.found.v9", good, "device.found.v9"),
        ("read.failed.v1", failed(order(1)).to_json(), "does not carry read.failed.v1"),
        ("meter.read.v1", good, "agent"),
    ]
    inbox = Inbox()
    before = _set_aside()

    def publish(channel: Any) -> None:
        for kind, body, _ in bodies:
            channel.queue_bind(POLLER_FOUND.name, "pagetally", kind)
            channel.basic_publish("pagetally", kind, body, _properties({"x-death": "many"}))
        channel.basic_publish("", POLLER_FOUND.name, good, _properties({}))
        channel.basic_publish("pagetally", key, good)

    def fetch(channel: Any) -> list[tuple[str, bytes, dict[str, str]]]:
        found: list[tuple[str, bytes, dict[str, str]]] = []
        while True:
            method, properties, body = channel.basic_get(ASIDE.name, auto_ack=True)
            if method is None:
                return found
            found.append((properties.type, body, properties.headers))

    async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 2), feeds=[]):
        await at_broker(rabbit_vhost, publish)
        await inbox.holds({order(1).id})
        await until(lambda: _set_aside() - before == len(bodies) + 1)
    kept = await at_broker(rabbit_vhost, fetch)

    assert inbox.messages == [order(1)]
    for kind, body, reason in bodies:
        [headers] = [told for k, b, told in kept if (k, b) == (kind, body)]
        assert reason in headers["reason"]
        assert headers["queue"] == POLLER_FOUND.name
        assert len(headers["reason"]) <= 300


def _set_aside() -> float:
    labels = {"queue": POLLER_FOUND.name}
    return REGISTRY.get_sample_value("pagetally_messages_set_aside_total", labels) or 0.0


async def test_headers_that_cannot_be_decoded_block_nothing(
    rabbit_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_future = struct.pack(">cQ", b"T", 2**62)  # a timestamp: the broker lets it through
    encode = pika.data.encode_value

    def encode_value(pieces: list[bytes], value: object) -> int:
        if value != "far future":
            return int(encode(pieces, value))
        pieces.append(far_future)
        return len(far_future)

    def publish(channel: Any) -> None:
        key, headers = DeviceFound.routing_key, {"when": "far future"}
        channel.basic_publish("pagetally", key, order(1).to_json(), _properties(headers))
        channel.basic_publish("pagetally", key, b"no order", _properties(headers))
        channel.basic_publish("pagetally", key, order(3).to_json(), _properties({}))

    monkeypatch.setattr(pika.data, "encode_value", encode_value)
    inbox, before = Inbox(), _set_aside()
    async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 2)):
        await at_broker(rabbit_vhost, publish)
        await inbox.holds({order(1).id, order(3).id})
        await until(lambda: _set_aside() == before + 1)


def _properties(headers: dict[str, str]) -> pika.BasicProperties:
    return pika.BasicProperties(type=DeviceFound.routing_key, headers=headers)


async def test_what_no_queue_takes_is_not_published(rabbit_vhost: str) -> None:
    async with bus_on(rabbit_vhost, feeds=[], publish_timeout_s=0.5) as bus:
        with pytest.raises(BusDownError, match=r"no queue takes device\.found\.v1"):
            await bus.publish(order(1))

        problem = bus.problem()
        assert problem is not None and "no queue takes" in problem


async def test_of_many_only_those_that_no_queue_takes_are_not_published(rabbit_vhost: str) -> None:
    async with bus_on(rabbit_vhost, feeds=[POLLER_FOUND], publish_timeout_s=2.0) as bus:
        found, lost = [order(n) for n in range(50)], [failed(order(n)) for n in range(50)]
        told = await asyncio.gather(
            *(bus.publish(message) for pair in zip(found, lost, strict=True) for message in pair),
            return_exceptions=True,
        )

    assert told[::2] == [None] * 50
    assert all("no queue takes read.failed.v1" in str(error) for error in told[1::2])
    assert await depth(rabbit_vhost, POLLER_FOUND.name) == 50


async def test_what_one_of_its_queues_refuses_is_not_published(rabbit_vhost: str) -> None:
    def bind_one_that_holds_one(channel: Any) -> None:
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("small", arguments=limits)
        channel.queue_bind("small", "pagetally", DeviceFound.routing_key)

    async with bus_on(rabbit_vhost, publish_timeout_s=1.0) as bus:
        await at_broker(rabbit_vhost, bind_one_that_holds_one)
        await bus.publish(order(1))

        with pytest.raises(BusDownError, match="refused by the queue"):
            await bus.publish(order(2))

        await at_broker(rabbit_vhost, lambda channel: channel.queue_delete("small"))
        await bus.publish(order(3))
        assert bus.problem() is None


@pytest.mark.parametrize("rows", [1, 15, 16, 60], ids=lambda rows: f"{rows} rows of 8 kB")
async def test_a_message_of_any_size_arrives_as_it_was(rabbit_vhost: str, rows: int) -> None:
    """A frame holds 131,064 bytes of it."""
    inbox, sent = Inbox(), read_of(order(1), rows)
    async with bus_on(rabbit_vhost, (UPLOADER_EVENTS, inbox, 5)) as bus:
        await bus.publish(sent)

        await inbox.holds({sent.id})
        assert inbox.messages == [sent]


async def test_an_order_is_acknowledged_only_when_what_it_led_to_is_safe(
    rabbit_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.rabbit.FINISH_S", 0.2)
    async with bus_on(
        rabbit_vhost, (POLLER_FOUND, fail, 5), feeds=[], publish_timeout_s=0.3
    ) as bus:
        await bus.publish(order(1))
        await until(lambda: "no queue takes read.failed.v1" in (bus.problem() or ""))
        await asyncio.sleep(0.5)

    assert await depth(rabbit_vhost, POLLER_FOUND.name) == 1


async def test_a_queue_that_was_deleted_is_declared_again_and_then_holds_what_is_published(
    rabbit_vhost: str,
) -> None:
    async with bus_on(rabbit_vhost) as bus:
        await at_broker(rabbit_vhost, lambda channel: channel.queue_delete(POLLER_FOUND.name))

        await asyncio.gather(*(bus.publish(order(n)) for n in range(10)))

        assert await depth(rabbit_vhost, POLLER_FOUND.name) == 10


async def test_a_consumer_whose_queue_was_deleted_takes_from_the_new_one(rabbit_vhost: str) -> None:
    inbox = Inbox()
    async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 5)) as bus:
        await at_broker(rabbit_vhost, lambda channel: channel.queue_delete(POLLER_FOUND.name))
        await until(lambda: bus.problem() is not None)

        await bus.publish(order(1))

        await inbox.holds({order(1).id})


async def test_a_blocked_broker_keeps_publishers_waiting_and_nobody_from_stopping(
    rabbit: PrivateRabbit, rabbit_vhost: str
) -> None:
    inbox = Inbox()
    async with bus_on(rabbit_vhost) as patient:
        async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 5)) as leaving:
            rabbit.erl("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")
            try:
                waiting = asyncio.create_task(patient.publish(order(1)))
                hopeless = asyncio.create_task(leaving.publish(order(2)))
                await until(lambda: "takes nothing now" in (leaving.problem() or ""))
                async with asyncio.timeout(6):
                    await leaving.stop()
                with pytest.raises(BusDownError):
                    await hopeless
                assert not waiting.done()
            finally:
                rabbit.erl('vm_memory_monitor:set_vm_memory_high_watermark({absolute, "1GB"})')
        await waiting
        assert patient.problem() is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace("guest:guest", "guest:s3cret"), "refused"),
        (lambda url: url + "-none", "vhost"),
        (lambda url: f"amqp://guest:s3cret@127.0.0.1:{free_port()}/x", "Connection refused"),
    ],
    ids=["wrong password", "no such vhost", "nothing listens"],
)
async def test_a_broker_that_cannot_be_used_is_told_in_words_and_without_the_password(
    rabbit_vhost: str, change: Callable[[str], str], says: str
) -> None:
    bus = RabbitBus(change(rabbit_vhost), connect_timeout_s=1.0)

    with pytest.raises(BusDownError, match=says) as told:
        await bus.start()

    assert "s3cret" not in str(told.value)


async def test_a_queue_with_other_arguments_is_told(rabbit_vhost: str) -> None:
    await at_broker(rabbit_vhost, lambda c: c.queue_declare(POLLER_FOUND.name, durable=True))

    with pytest.raises(BusDownError, match=r"PRECONDITION_FAILED.*poller\.found\.2"):
        await RabbitBus(rabbit_vhost, feeds=[POLLER_FOUND], connect_timeout_s=1.0).start()


@pytest.mark.parametrize("url", ["", "localhost", "http://a:s3@b/", "amqp://u:s3/cret@h:1/x"])
def test_what_is_no_broker_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="amqp://user:password@host:port/vhost") as told:
        RabbitBus(url)

    assert "s3" not in str(told.value)
