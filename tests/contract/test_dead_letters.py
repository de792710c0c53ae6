"""Dead letters at a real broker: listed, shown, given again, forgotten; and earlier queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pika
import pytest

from services import cli
from shared.bus.permissions import OPERATOR
from shared.bus.port import ASIDE, FORMER, POLLER_FOUND, UPLOADER_DEAD, UPLOADER_EVENTS, Delivery
from shared.message import Message
from shared.messages import DeviceFound, ReadFailed
from tests.contract.bus_parts import Inbox, failed, order, until
from tests.contract.test_rabbit import at_broker, bus_on, depth
from tests.peers.rabbit import PrivateRabbit

Pagetally = Callable[..., Any]


@pytest.fixture
def pagetally(
    rabbit: PrivateRabbit,
    rabbit_vhost: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Pagetally:
    """The command with an operator's user: what it wrote, or why not."""
    [operator] = rabbit.users(rabbit_vhost.rpartition("/")[2], OPERATOR).values()

    async def run(*words: str, url: str = operator) -> tuple[int, str]:
        monkeypatch.setenv("PAGETALLY_BROKER_URL", url)
        capsys.readouterr()
        status = await asyncio.to_thread(cli.main, list(words))
        wrote = capsys.readouterr()
        return status, wrote.out + wrote.err

    return run


async def stumble(_: Message, __: Delivery) -> Sequence[Message]:
    raise KeyError("a bug")


async def with_one_dead_and_one_aside(url: str) -> None:
    def publish(channel: Any) -> None:
        channel.basic_publish("pagetally", ReadFailed.routing_key, b'{"\x1b[2J\xff": 1}')

    async with bus_on(url, (UPLOADER_EVENTS, stumble, 5)) as bus:
        await bus.publish(failed(order(1)))
        await at_broker(url, publish)
        async with asyncio.timeout(10):
            while not (await depth(url, UPLOADER_DEAD.name) and await depth(url, ASIDE.name)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_dead_letters_are_listed_with_their_reason_and_stay(
    rabbit_vhost: str, pagetally: Pagetally
) -> None:
    await with_one_dead_and_one_aside(rabbit_vhost)

    _, said = await pagetally("dead", "--json")

    dead, aside = (json.loads(line) for line in said.splitlines())
    assert dead["queue"] == UPLOADER_DEAD.name
    assert dead["why"] == "uploader.events.2: given up by its reader"
    assert json.loads(dead["body"]) == json.loads(failed(order(1)).to_json())
    assert aside["queue"] == ASIDE.name
    assert aside["why"].startswith("uploader.events.2: Invalid JSON")
    assert await depth(rabbit_vhost, UPLOADER_DEAD.name) == 1
    _, shown = await pagetally("dead", "--show", aside["id"])
    assert r'{"\x1b[2J\xff": 1}' in shown
    _, listed = await pagetally("dead")
    assert "2 messages wait" in listed
    assert (shown + listed).replace("\n", "").isprintable()


async def test_a_dead_letter_is_given_again_once(rabbit_vhost: str, pagetally: Pagetally) -> None:
    await with_one_dead_and_one_aside(rabbit_vhost)
    _, said = await pagetally("dead", "--json")
    letter = json.loads(said.splitlines()[0])["id"]
    inbox = Inbox()

    status, _ = await pagetally("dead", "--again", letter)

    assert status == 0
    async with bus_on(rabbit_vhost, (UPLOADER_EVENTS, inbox, 5)):
        await inbox.holds({failed(order(1)).id})
    assert await pagetally("dead", "--again", letter) == (
        1,
        f"broker: {letter!r}: no such message waits; `pagetally dead` lists those that do\n",
    )


async def test_what_is_forgotten_is_gone(rabbit_vhost: str, pagetally: Pagetally) -> None:
    await with_one_dead_and_one_aside(rabbit_vhost)
    _, said = await pagetally("dead", "--json")

    for line in said.splitlines():
        assert (await pagetally("dead", "--forget", json.loads(line)["id"]))[0] == 0

    assert await pagetally("dead") == (0, "0 messages wait\n")


async def test_an_order_is_not_given_again_by_hand(rabbit_vhost: str, pagetally: Pagetally) -> None:
    inbox = Inbox()
    async with bus_on(rabbit_vhost, (POLLER_FOUND, inbox, 1)):
        await at_broker(
            rabbit_vhost, lambda c: c.basic_publish("pagetally", DeviceFound.routing_key, b"{}")
        )
        async with asyncio.timeout(10):
            while not await depth(rabbit_vhost, ASIDE.name):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    _, said = await pagetally("dead", "--json")

    status, why = await pagetally("dead", "--again", json.loads(said)["id"])

    assert (status, why) == (1, "broker: an order is not given again: ask for a new round\n")
    assert await depth(rabbit_vhost, ASIDE.name) == 1


async def test_a_full_queue_of_what_was_set_aside_loses_nothing_and_is_told(
    rabbit_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.rabbit.FINISH_S", 0.2)

    def fill(channel: Any) -> None:
        channel.queue_delete(ASIDE.name)
        limits = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare(ASIDE.name, durable=True, arguments=limits)
        channel.queue_bind(ASIDE.name, ASIDE.exchange, "#")
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.NackError):
            for _ in range(100):  # the limit is a soft one
                channel.basic_publish(ASIDE.exchange, "any", b"full")

    def publish(channel: Any) -> None:
        for number in range(3):
            channel.basic_publish("pagetally", ReadFailed.routing_key, b"%d" % number)

    async with bus_on(rabbit_vhost, (UPLOADER_EVENTS, Inbox(), 5), publish_timeout_s=0.5) as bus:
        await at_broker(rabbit_vhost, fill)
        await at_broker(rabbit_vhost, publish)
        await until(lambda: "behind pagetally.aside (nack); is it full?" in (bus.problem() or ""))

    assert await depth(rabbit_vhost, UPLOADER_EVENTS.name) == 3


async def test_what_waits_in_queues_of_an_earlier_version_is_moved_and_they_are_deleted(
    rabbit_vhost: str, pagetally: Pagetally
) -> None:
    limits = {"x-queue-type": "quorum", "x-delivery-limit": 20}

    def leave(channel: Any) -> None:
        channel.exchange_declare("pagetally", "topic", durable=True)
        for name in FORMER:
            channel.queue_declare(name, durable=True, arguments=limits)
        channel.queue_bind("poller.found.1", "pagetally", DeviceFound.routing_key)
        channel.basic_publish("pagetally", DeviceFound.routing_key, order(1).to_json())
        for name, kind, body, headers in (
            ("poller.alone.1", DeviceFound, order(2).to_json(), {"x-pagetally-ended": 2}),
            ("uploader.events.1", ReadFailed, failed(order(3)).to_json(), None),
            ("pagetally.aside.1", ReadFailed, b"broken", {"reason": "no JSON", "queue": "u"}),
        ):
            said = pika.BasicProperties(type=kind.routing_key, headers=headers)
            channel.basic_publish("", name, body, said)

    await at_broker(rabbit_vhost, leave)

    status, said = await pagetally("broker", "set-up", url=rabbit_vhost)

    assert status == 0, said
    assert "poller.found.1: deleted, and 1 messages moved" in said
    orders, events = Inbox(), Inbox()
    async with bus_on(rabbit_vhost, (POLLER_FOUND, orders, 5), (UPLOADER_EVENTS, events, 5)) as bus:
        await bus.publish(order(4))  # not into a former queue too, where it would wait for ever
        await orders.holds({order(number).id for number in (1, 2, 4)})
        await events.holds({failed(order(3)).id})
    _, dead = await pagetally("dead", "--json")
    assert json.loads(dead)["why"] == "u: no JSON"
    status, said = await pagetally("broker", "set-up", url=rabbit_vhost)
    assert (status, said) == (0, "exchanges, queues and bindings are there\n")
