"""What an administrator makes at the broker before services with users of their own come."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.bus.address import parameters_of
from shared.bus.amqp import Link
from shared.bus.former import Emptied, empty_former
from shared.bus.permissions import permissions
from shared.bus.port import (
    DISCOVERY_SCOPE,
    EXCHANGE,
    FED_BY_QUEUES,
    POLLER_FOUND,
    UPLOADER_EVENTS,
)
from shared.bus.topology import arguments, bindings, declare, with_kin

QUEUES = (POLLER_FOUND, UPLOADER_EVENTS, DISCOVERY_SCOPE)
_CLOSE_S = 5.0


async def set_up(url: str, ca_file: Path | None) -> list[Emptied]:
    """Exchanges, queues and bindings; then queues of earlier versions are emptied into them.

    Raises: ValueError, where `url` is no broker's; LostError; LetterError.
    """
    link = Link()
    try:
        await link.open(parameters_of(url, "pagetally set-up", ca_file), lambda _: None)
        await declare(await link.channel(apart=True), QUEUES)
        return await empty_former(link)
    finally:
        await link.close(_CLOSE_S)


def definitions(passwords: Mapping[str, tuple[str, bytes]], vhost: str) -> dict[str, Any]:
    """What RabbitMQ imports: `load_definitions`, or `rabbitmqctl import_definitions`.

    Args:
        passwords: by user; each with four octets of salt.
    """
    queues = with_kin(QUEUES)
    exchanges = dict.fromkeys((EXCHANGE, *(queue.exchange for queue in queues)))
    allowed = {user: permissions(user) for user in passwords}
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user,
                "password_hash": password_hash(password, salt),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
            }
            for user, (password, salt) in passwords.items()
        ],
        "permissions": [
            {
                "user": user,
                "vhost": vhost,
                "configure": each.configure,
                "write": each.write,
                "read": each.read,
            }
            for user, each in allowed.items()
        ],
        "topic_permissions": [
            {
                "user": user,
                "vhost": vhost,
                "exchange": EXCHANGE,
                "write": each.topic_write,
                "read": each.topic_read,
            }
            for user, each in allowed.items()
        ],
        "exchanges": [
            {
                "name": exchange,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": exchange in FED_BY_QUEUES,
                "arguments": {},
            }
            for exchange in exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": arguments(queue),
            }
            for queue in queues
        ],
        "bindings": [
            {
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for queue in queues
            for key in bindings(queue)
        ],
    }


def password_hash(password: str, salt: bytes) -> str:
    """Source: RabbitMQ, Passwords, "Computing Password Hash": salt, then SHA-256 of salt and it."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
