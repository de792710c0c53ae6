"""SNMPv3's socket and open questions, and what is known of the engines that were asked."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.snmp.exchange import Strays, cannot_send
from shared.snmp.port import Traffic
from shared.snmp.pysnmp_keys import Keyring, Keys
from shared.snmp.udp import UdpSocket, canonical, datagram_bytes
from shared.snmp.v3_message import message_id_of
from shared.snmp.v3_usm import Engine
from shared.snmp.wire import WireError

IN_FLIGHT = 50
_ENGINES_KEPT = 10_000  # the least lately asked is forgotten first
_ANSWERS_KEPT = 8  # of one question; more than one is somebody else's, or a lie


@dataclass(eq=False)
class Question:
    """One open question, under a message id for each time that it was sent."""

    source: tuple[str, int]
    traffic: Traffic
    came: deque[bytes] = field(default_factory=lambda: deque(maxlen=_ANSWERS_KEPT))
    tries: int = 0
    stray: str = ""  # what came instead of an answer, in words
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, payload: bytes) -> None:
        self.traffic.packets_in += 1
        self.traffic.bytes_in += datagram_bytes(len(payload), self.source[0])
        self.came.append(payload)
        self._arrived.set()

    async def next(self, until: float) -> bytes | None:
        """The next datagram that bears its id and its source; None when that loop time is over."""
        try:
            async with asyncio.timeout_at(until):
                while not self.came:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None
        return self.came.popleft()


class V3Exchange:
    """What all v3 sessions of a client share.

    Args:
        ceiling: checked at the socket for every datagram.
        traffic: counts what leaves and comes, whoever it is for.
    """

    def __init__(self, ceiling: Ceiling, traffic: Traffic, *, timeout_s: float, tries: int) -> None:
        self.timeout_s = timeout_s
        self.tries = tries
        self.slots = asyncio.Semaphore(IN_FLIGHT)
        self.strays = Strays()
        self.udp = UdpSocket(ceiling, self._received)
        self.udp.traffic = traffic
        self._open: dict[int, Question] = {}
        self._engines: OrderedDict[tuple[str, int], Engine] = OrderedDict()
        self._keyring = Keyring()
        self._making_keys = asyncio.Lock()

    def close(self) -> None:
        self.udp.close()

    def engine(self, address: str, port: int) -> Engine | None:
        """The one that was there lately."""
        return self._engines.get((canonical(address), port))

    def remember(self, address: str, port: int, engine: Engine) -> None:
        there = (canonical(address), port)
        self._engines[there] = engine
        self._engines.move_to_end(there)
        if len(self._engines) > _ENGINES_KEPT:
            self._engines.popitem(last=False)

    async def keys(self, credential: Credential, engine_id: bytes) -> Keys:
        """One at a time, so that fifty sessions do not each hash the same password."""
        async with self._making_keys:
            return await asyncio.to_thread(self._keyring.keys, credential, engine_id)

    @contextmanager
    def asking(self, address: str, port: int, traffic: Traffic) -> Iterator[Question]:
        """Open while the block runs."""
        question = Question((canonical(address), port), traffic)
        try:
            yield question
        finally:
            self._open = {number: one for number, one in self._open.items() if one is not question}

    def fresh_id(self, question: Question) -> int:
        """A random message id for one more try, under which an answer is given to the question."""
        number = secrets.randbits(31)
        while number in self._open:
            number = secrets.randbits(31)
        self._open[number] = question
        question.tries += 1
        return number

    async def send(self, payload: bytes, address: str, port: int, traffic: Traffic) -> None:
        """Raises: OutsideCeilingError; NoAnswerError where the system will not send it."""
        try:
            while not self.udp.send(payload, address, port):
                await self.udp.writable()
        except OSError as error:
            raise cannot_send(address, error) from None
        traffic.packets_out += 1
        traffic.bytes_out += datagram_bytes(len(payload), address)

    def _received(self, payload: bytes, address: str, port: int) -> None:
        """Only what bears an open question's id and source is kept: anybody may send the rest."""
        try:
            question = self._open.get(message_id_of(payload))
        except WireError:
            self.strays.malformed += 1
            for one in set(self._open.values()):
                if one.source == (address, port):
                    one.stray = f"{len(payload)} octets that are no SNMPv3 came"
            return
        if question is None:
            self.strays.late += 1
        elif question.source != (address, port):
            self.strays.elsewhere += 1
            question.stray = f"an answer came from {address} port {port} instead"
        else:
            question.give(payload)
