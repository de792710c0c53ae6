"""Each service at a real broker with a user of its own: what it needs goes, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from services import cli
from shared.bus.permissions import OPERATOR, USERS
from shared.bus.port import (
    ASIDE,
    DISCOVERY_SCOPE,
    POLLER_ALONE,
    POLLER_DEAD,
    POLLER_FOUND,
    UPLOADER_DEAD,
    UPLOADER_EVENTS,
    BusDownError,
    Queue,
)
from shared.bus.rabbit import RabbitBus
from shared.bus.set_up import QUEUES, password_hash
from shared.messages import DeviceFound, MeterRead, ReadFailed
from tests.contract.bus_parts import Inbox, failed, order, scope
from tests.contract.test_rabbit import at_broker, bus_on, depth
from tests.peers.rabbit import PrivateRabbit

ORDER = DeviceFound.routing_key


@pytest.fixture
async def urls(rabbit: PrivateRabbit, rabbit_vhost: str) -> dict[str, str]:
    """By user, on a vhost as the definitions make it; and the administrator's."""
    users = rabbit.users(rabbit_vhost.rpartition("/")[2], *USERS, "reporter")
    return {**users, "administrator": rabbit_vhost}


async def _holds(urls: dict[str, str], queue: Queue, count: int) -> None:
    async with asyncio.timeout(10):
        while await depth(urls["administrator"], queue.name) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_what_the_definitions_make_is_what_services_would_declare(
    urls: dict[str, str],
) -> None:
    async with bus_on(urls["administrator"], feeds=QUEUES) as bus:
        await bus.publish(order(1))


async def test_an_order_goes_its_whole_way_with_each_service_s_own_user(
    urls: dict[str, str],
) -> None:
    outcomes, scopes = Inbox(), Inbox()
    fail = Inbox(lambda found: [failed(found)] if isinstance(found, DeviceFound) else [])
    async with (
        bus_on(urls["uploader"], (UPLOADER_EVENTS, outcomes, 5), feeds=[DISCOVERY_SCOPE]) as up,
        bus_on(urls["poller"], (POLLER_FOUND, fail, 5), (POLLER_ALONE, fail, 1)),
        bus_on(urls["discovery"], (DISCOVERY_SCOPE, scopes, 1)) as discovery,
    ):
        await discovery.publish(order(1))
        await up.publish(scope(1))

        await outcomes.holds({failed(order(1)).id})
        await scopes.holds({scope(1).id})


async def test_what_a_service_cannot_read_is_set_aside_with_its_own_user(
    urls: dict[str, str],
) -> None:
    def publish(channel: Any) -> None:
        channel.basic_publish("pagetally", ReadFailed.routing_key, b"no message")

    async with bus_on(urls["uploader"], (UPLOADER_EVENTS, Inbox(), 5), feeds=[DISCOVERY_SCOPE]):
        await at_broker(urls["poller"], publish)
        await _holds(urls, ASIDE, 1)


@pytest.mark.parametrize("user", ["poller", "uploader", "reporter", OPERATOR])
async def test_only_discovery_s_user_may_publish_an_order(urls: dict[str, str], user: str) -> None:
    for exchange in ("pagetally", "pagetally.alone", "pagetally.dead", "pagetally.aside", ""):
        for key in (ORDER, POLLER_FOUND.name, POLLER_ALONE.name):
            if user != OPERATOR and user != "reporter" and exchange == "pagetally.aside":
                continue  # nobody reads what lies there as an order
            with pytest.raises(ChannelClosedByBroker, match="403"):
                await at_broker(urls[user], _publishing(exchange, key))

    assert [await depth(urls["administrator"], each.name) for each in _OF_ORDERS] == [0, 0, 0]


_OF_ORDERS = (POLLER_FOUND, POLLER_ALONE, POLLER_DEAD)


def _publishing(exchange: str, key: str, **properties: Any) -> Callable[[Any], None]:
    def publish(channel: Any) -> None:
        channel.confirm_delivery()
        said = pika.BasicProperties(type=ORDER, **properties)
        channel.basic_publish(exchange, key, order(1).to_json(), said)

    return publish


async def test_a_read_that_is_copied_to_the_orders_is_no_order(urls: dict[str, str]) -> None:
    """RabbitMQ 3.10 checks the routing key of a message, and not those in its header CC."""
    inbox = Inbox()
    async with bus_on(urls["poller"], (POLLER_FOUND, inbox, 5), (POLLER_ALONE, inbox, 1)):
        try:
            copied = _publishing("pagetally", MeterRead.routing_key, headers={"CC": [ORDER]})
            await at_broker(urls["poller"], copied)
        except ChannelClosedByBroker as error:
            assert error.reply_code == 403  # a newer broker checks those too
        await _holds(urls, POLLER_FOUND, 0)

    assert inbox.messages == []


@pytest.mark.parametrize(
    ("user", "others"),
    [
        ("discovery", (*_OF_ORDERS, UPLOADER_EVENTS, UPLOADER_DEAD, ASIDE)),
        ("poller", (UPLOADER_EVENTS, UPLOADER_DEAD, DISCOVERY_SCOPE, ASIDE)),
        ("uploader", (*_OF_ORDERS, UPLOADER_DEAD, DISCOVERY_SCOPE, ASIDE)),
        (OPERATOR, (POLLER_FOUND, POLLER_ALONE, UPLOADER_EVENTS, DISCOVERY_SCOPE)),
        ("reporter", (*_OF_ORDERS, UPLOADER_EVENTS, UPLOADER_DEAD, DISCOVERY_SCOPE, ASIDE)),
    ],
)
async def test_no_user_reads_empties_binds_or_deletes_what_is_another_s(
    urls: dict[str, str], user: str, others: tuple[Queue, ...]
) -> None:
    for queue in others:
        for method, *more in _ACTS:
            with pytest.raises(ChannelClosedByBroker, match="403"):
                await at_broker(urls[user], methodcaller(method, queue.name, *more))


_ACTS = (
    ("basic_get",),
    ("queue_purge",),
    ("queue_delete",),
    ("queue_bind", "pagetally", MeterRead.routing_key),
)


async def test_a_user_who_may_not_declare_is_told_what_to_do_where_a_queue_is_missing(
    urls: dict[str, str],
) -> None:
    await at_broker(urls["administrator"], methodcaller("queue_delete", UPLOADER_EVENTS.name))

    with pytest.raises(BusDownError, match=r"uploader\.events\.2.*pagetally broker set-up"):
        await RabbitBus(urls["poller"], feeds=[UPLOADER_EVENTS], connect_timeout_s=1.0).start()


def test_the_command_writes_definitions_and_a_url_a_user_that_only_its_owner_reads(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "broker"

    assert cli.main(["broker", "definitions", str(folder), "--host", "b:5671", "--tls"]) == 0

    made = json.loads((folder / "definitions.json").read_bytes())
    assert {user["name"] for user in made["users"]} == set(USERS)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    for user in made["users"]:
        url = urlsplit((folder / f"{user['name']}.url").read_text(encoding="utf-8"))
        assert (url.scheme, url.netloc.rpartition("@")[2], url.path) == ("amqps", "b:5671", "/%2F")
        salt = base64.b64decode(user["password_hash"])[:4]
        assert user["password_hash"] == password_hash(url.password or "", salt)
