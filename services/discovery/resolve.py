"""Names to addresses, at every round: a device may have moved."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence

_TIMEOUT_S = 5.0
_AT_ONCE = 20


async def resolve(names: set[str]) -> Mapping[str, Sequence[str]]:
    """Each name's addresses, IPv4 first; none where it cannot be resolved in time."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def addresses(name: str) -> list[str]:
        loop = asyncio.get_running_loop()
        async with slots:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError):  # TimeoutError is an OSError
                return []
        texts = dict.fromkeys(str(entry[4][0]) for entry in found)
        return sorted((text for text in texts if "%" not in text), key=lambda text: ":" in text)

    wanted = sorted(names)
    return dict(zip(wanted, await asyncio.gather(*map(addresses, wanted)), strict=True))
