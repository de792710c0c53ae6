"""Every address of loopback as a device, behind one socket; what it was asked, and what is lost."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.peers.agent import free_udp_port

if TYPE_CHECKING:
    from services.solo.simulator import SimulatedAgent

IP_PKTINFO = 8  # linux/in.h
_CONTROL = socket.CMSG_SPACE(12)


class Crowd:
    """Answers as `agent` from whatever address of 127.0.0.0/8 was asked, on `port`.

    Args:
        agent: None is silent.
        loss: share of datagrams that is lost, each way. Which ones is drawn from `seed` by
            address and try, so that they are the same ones however busy the machine is.
    """

    def __init__(
        self, agent: SimulatedAgent | None = None, *, loss: float = 0.0, seed: int = 0
    ) -> None:
        self.port = free_udp_port()
        self.asked: Counter[str] = Counter()  # datagrams by address
        self.last: dict[str, bytes] = {}  # datagram by address, in the order of the first ones
        self._agent = agent
        self._loss = loss
        self._seed = seed

    def loses(self, address: str, number: int) -> bool:
        """Whether the try of this number, from 1, comes to nothing: question or answer is lost."""
        dice = random.Random(f"{self._seed} {address} {number}")
        return dice.random() < self._loss or dice.random() < self._loss

    async def __aenter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**21)
        self._socket.bind(("", self.port))
        asyncio.get_running_loop().add_reader(self._socket, self._drain)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._drain()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while True:
                payload, control, _, source = self._socket.recvmsg(65_535, _CONTROL)
                [(_, _, info)] = control
                self._answer(payload, info[8:12], source)  # struct in_pktinfo: ipi_addr

    def _answer(self, payload: bytes, asked: bytes, source: tuple[str, int]) -> None:
        address = socket.inet_ntoa(asked)
        self.asked[address] += 1
        self.last[address] = payload
        if self._agent is None or self.loses(address, self.asked[address]):
            return
        answer = self._agent.answer(payload, source)
        if answer:
            info = bytes(4) + asked + bytes(4)  # ipi_spec_dst: what it is sent from
            self._socket.sendmsg([answer], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, source)
