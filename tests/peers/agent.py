"""Simulated SNMP agents on loopback addresses of their own, for one test."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from services.solo.simulator import SimulatedAgent

# what an agent needs is imported when one is started: the slim environments lack it


class Agents:
    """Starts agents, all on one free UDP port; `ceiling` names the addresses that were given."""

    def __init__(self, stack: AsyncExitStack) -> None:
        from shared.ceiling import Ceiling

        self.port = free_udp_port()
        self.ceiling = Ceiling(networks=(), ports=frozenset({self.port}))
        self._stack = stack
        self._next = random.randrange(2**21)

    def name(self, address: str, port: int | None = None) -> None:
        """Have the ceiling allow an address, whoever answers there."""
        self.ceiling = self.ceiling.naming([ip_network(address)], [port or self.port])

    async def start(self, agent: SimulatedAgent, address: str | None = None) -> str:
        """The address, the next of 127.64.0.0/10 unless given, at which `agent` answers."""
        from services.solo.simulator import simulate

        self._next += 1
        address = address or str(ip_network("127.64.0.0/10")[self._next])
        await self._stack.enter_async_context(simulate({(address, self.port): agent}))
        self.name(address)
        return address


def free_udp_port() -> int:
    """Below the ports that the system gives to clients, which hold theirs on every address."""
    while True:
        port = random.randrange(17_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    async with AsyncExitStack() as stack:
        yield Agents(stack)
