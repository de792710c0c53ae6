"""An agent in one process that does one round, and writes what it tells the hub, a message a line.

python -m tests.network.searching '{"kind": …, "scope": …, "state": …, "told": …, "discovery": …}'
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.discovery.main import discovering
from services.discovery.settings import DiscoverySettings
from services.poller.main import polling
from services.poller.settings import PollerSettings
from shared.bus.local import LocalBus
from shared.bus.port import UPLOADER_EVENTS, Delivery
from shared.ceiling import load_ceiling
from shared.clock import utc_now
from shared.decode import decode
from shared.message import Message
from shared.scope import Scope


def messages(told: bytes) -> list[Message]:
    """What `main` gave."""
    lines = [line.partition(b" ") for line in told.splitlines()]
    return [decode(key.decode(), body) for key, _, body in lines]


async def main(asked: dict[str, Any]) -> bytes:
    state = Path(asked["state"])

    lines: list[bytes] = []

    async def told(message: Message, _: Delivery) -> Sequence[Message]:
        lines.append(message.routing_key.encode() + b" " + message.to_json())
        return []

    files: dict[str, Any] = {
        "agent": "lab",
        "ceiling_file": state / "ceiling.toml",
        "credentials_file": state / "credentials.json",
    }
    discovery = DiscoverySettings(
        roster_file=state / "roster.sqlite", **files, **asked["discovery"]
    )
    ceiling = load_ceiling(files["ceiling_file"])
    said = {"version": 1, "author": "lab", "changed_at": utc_now(), **asked["scope"]}
    bus = LocalBus()
    bus.on(UPLOADER_EVENTS, told, prefetch=10)
    async with (
        polling(PollerSettings(**files), bus, ceiling),
        discovering(discovery, bus, ceiling) as agenda,
    ):
        await bus.start()
        await bus.publish(Scope.model_validate(said))
        await agenda.run_once(asked["kind"])
        await bus.stop()
    return b"\n".join(lines)


if __name__ == "__main__":
    said = json.loads(sys.argv[1])
    Path(said["told"]).write_bytes(asyncio.run(main(said)))
