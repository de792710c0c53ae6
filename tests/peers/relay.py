"""A long path to one SNMP agent: datagrams come late or not at all, and long ones never.

It stands at a loopback address of its own, on the agent's port, and is the agent to whoever asks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# IPv4 at an MTU of 1,280, where fragments are dropped: octets of a UDP payload
LONGEST = 1280 - 28


class Path:
    """What happened on it; `longest` is of the payloads that it was given."""

    def __init__(self, *, delay_s: float, loss: float, seed: int) -> None:
        self.delay_s = delay_s
        self.relayed = self.lost = self.too_long = self.longest = 0
        self._loss = loss
        self._dice = random.Random(seed)

    def brings(self, payload: bytes) -> bool:
        self.longest = max(self.longest, len(payload))
        if len(payload) > LONGEST:
            self.too_long += 1
            return False
        if self._dice.random() < self._loss:
            self.lost += 1
            return False
        self.relayed += 1
        return True


class _End(asyncio.DatagramProtocol):
    """One end of the path: the near one is for whoever asks, the far one for the agent."""

    def __init__(self, path: Path, *, is_near: bool) -> None:
        self.path = path
        self.other: _End | None = None
        self.transport: asyncio.DatagramTransport | None = None
        self._is_near = is_near
        self._asker: tuple[str, int] | None = None

    def datagram_received(self, payload: bytes, source: tuple[str, int]) -> None:
        assert self.other
        if self._is_near:
            self._asker = source
        if self.path.brings(payload):
            asyncio.get_running_loop().call_later(self.path.delay_s, self.other.send, payload)

    def send(self, payload: bytes) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.sendto(payload, self._asker)


@asynccontextmanager
async def relaying(
    address: str, agent: tuple[str, int], *, delay_s: float, loss: float = 0.0, seed: int = 0
) -> AsyncIterator[Path]:
    """Relays from `address` to `agent` and back while the block runs; `delay_s` each way."""
    path = Path(delay_s=delay_s, loss=loss, seed=seed)
    loop = asyncio.get_running_loop()
    near, near_end = await loop.create_datagram_endpoint(
        lambda: _End(path, is_near=True), local_addr=(address, agent[1])
    )
    far, far_end = await loop.create_datagram_endpoint(
        lambda: _End(path, is_near=False), remote_addr=agent
    )
    near_end.transport, near_end.other = near, far_end
    far_end.transport, far_end.other = far, near_end
    try:
        yield path
    finally:
        near.close()
        far.close()
