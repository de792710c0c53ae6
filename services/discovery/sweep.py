"""One datagram an address and pass, paced; answers as they come."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from services.discovery.identify import FIRST_QUESTION, V1_QUESTION
from services.discovery.plan import FoundBy, Group, Pass, Plan
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import Credential
from shared.snmp.port import Traffic, Varbind
from shared.snmp.udp import UdpSocket
from shared.snmp.wire import GET, RESPONSE, V1, WireError, decode, encode_request, request_id_of
from shared.spans import Span, address_of, is_ipv4, merged, number_of, without

_BURST = 64  # datagrams between two looks at what has come
_BURST_S = 0.02
_LONGEST_ANSWER = 4096  # octets; the five rows that are asked for are at most 255 each

Place = tuple[int, int]  # an address as its number, and a port


class Answer(NamedTuple):
    """The first answer of an address; `varbinds` is empty where it was an error."""

    address: str
    port: int
    found_by: FoundBy
    credential: str
    version: int
    varbinds: tuple[Varbind, ...]


class Pacer:
    """A token bucket: at most `rate` turns a second; 0 is as fast as the loop turns."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = min(_BURST, max(1.0, rate * _BURST_S))
        self._tokens = 0.0
        self._at = asyncio.get_running_loop().time()
        self._turns = 0

    def is_turn(self) -> bool:
        """Takes a turn, where there is one without waiting."""
        self._turns -= 1
        return self._turns >= 0

    async def wait(self) -> None:
        """Until there are turns again; what has come in the meantime is read first."""
        if not self._rate:
            await asyncio.sleep(0)
            self._turns = _BURST
            return
        self._refill()
        await asyncio.sleep(max(0.0, (1 - self._tokens) / self._rate))
        self._refill()
        self._turns = max(1, int(self._tokens))
        self._tokens -= self._turns

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Sweep:
    """Asks what a plan says. Use once: `async for answer in sweep.answers()`.

    Args:
        rate: datagrams a second at most, 0 for unpaced; the ceiling's pace stands above it
            for whoever makes this.
        timeout_s: how long a pass waits after its last datagram.
        done: addresses that need not be asked: they answered before a restart.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        ceiling: Ceiling,
        credentials: Mapping[str, Credential],
        rate: float,
        timeout_s: float,
        done: frozenset[Place] = frozenset(),
    ) -> None:
        self.plan = plan
        self.traffic = Traffic()
        self.unsendable: dict[str, list[Place]] = {}  # by what the system said
        self.ceiling = ceiling
        self._rate = rate
        self._timeout_s = timeout_s
        self._done: defaultdict[int, set[int]] = defaultdict(set)  # by port
        for at, port in done:
            self._done[port].add(at)
        self._silent = plan.size - sum(1 for place in done if plan.group_of(*place))
        self._answered = asyncio.Event()
        self._queue: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._next: tuple[Group, int] | None = None  # where the first pass has come to
        self._is_first_pass_over = False
        self._ids: dict[int, Pass] = {}
        self._payloads: dict[Pass, bytes] = {}
        for one in {one for group in plan.groups for one in group.passes}:
            number = self._fresh_id()
            self._ids[number] = one
            self._payloads[one] = encode_request(
                one.version,
                credentials[one.credential].community_octets,
                GET,
                number,
                V1_QUESTION if one.version == V1 else FIRST_QUESTION,
            )

    async def answers(self) -> AsyncGenerator[Answer, None]:
        udp = UdpSocket(self.ceiling, self._received)
        self.traffic = udp.traffic
        sending = asyncio.create_task(self._send_all(udp))
        try:
            while (answer := await self._queue.get()) is not None:
                yield answer
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            udp.close()

    def datagrams_at_most(self) -> tuple[int, int]:
        """How many datagrams go out where nothing answers, and their bytes on IPv4 and IPv6."""
        count = octets = 0
        for group in self.plan.groups:
            for one in group.passes:
                for first, last in group.spans:
                    header = 28 if is_ipv4(first) else 48
                    count += last - first + 1
                    octets += (last - first + 1) * (len(self._payloads[one]) + header)
        return count, octets

    def unasked(self) -> list[tuple[Span, int]]:
        """What the first pass has not come to, as spans with their port."""
        if self._is_first_pass_over:
            return []
        left: list[tuple[Span, int]] = []
        is_behind = self._next is None
        for group in self.plan.groups:
            for first, last in group.spans:
                begin = first
                if self._next and group is self._next[0] and first <= self._next[1] <= last:
                    begin, is_behind = self._next[1], True
                if is_behind:
                    done = merged((at, at) for at in self._done[group.port])
                    left.extend((span, group.port) for span in without([(begin, last)], done))
        return left

    async def _send_all(self, udp: UdpSocket) -> None:
        try:
            pacer = Pacer(self._rate)
            most = max((len(group.passes) for group in self.plan.groups), default=0)
            for number in range(most):
                await self._pass(number, udp, pacer)
                self._is_first_pass_over = True
        finally:
            self._queue.put_nowait(None)

    async def _pass(self, number: int, udp: UdpSocket, pacer: Pacer) -> None:
        for group, at in self._places(number):
            if not number:
                self._next = group, at
            while not pacer.is_turn():
                await pacer.wait()
            if at in self._done[group.port]:  # it answered while its turn was waited for
                continue
            payload = self._payloads[group.passes[number]]
            try:
                while not udp.send(payload, address_of(at), group.port):
                    await udp.writable()
            except (OutsideCeilingError, OSError) as error:
                self._cannot_send(error, at, group.port)
        ends_at = asyncio.get_running_loop().time() + self._timeout_s
        while (left_s := ends_at - asyncio.get_running_loop().time()) > 0 and self._silent:
            self._answered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._answered.wait()

    def _places(self, number: int) -> Iterator[tuple[Group, int]]:
        """The addresses that are still silent and have a pass of this number."""
        for group in self.plan.groups:
            done = self._done[group.port]
            for first, last in group.spans if number < len(group.passes) else ():
                for at in range(first, last + 1):
                    if at not in done:
                        yield group, at

    def _cannot_send(self, error: Exception, at: int, port: int) -> None:
        reason = str(error).partition(": ")[2]
        if isinstance(error, OSError):
            reason = f"nothing can be sent there: {error.strerror}"
        self.unsendable.setdefault(reason, []).append((at, port))
        self._done[port].add(at)
        self._silent -= 1

    def _received(self, payload: bytes, address: str, port: int) -> None:
        try:
            asked = self._ids.get(request_id_of(payload))
            if asked is None or len(payload) > _LONGEST_ANSWER:
                return
            message = decode(payload)
            at = number_of(address)
        except (WireError, ValueError):
            return
        group = self.plan.group_of(at, port)
        if group is None or message.pdu != RESPONSE or at in self._done[port]:
            return
        self._done[port].add(at)
        varbinds = () if message.error_status else tuple(message.varbinds[: len(FIRST_QUESTION)])
        self._queue.put_nowait(
            Answer(address, port, group.found_by, asked.credential, asked.version, varbinds)
        )
        self._silent -= 1
        self._answered.set()

    def _fresh_id(self) -> int:
        """30 random bits, always four octets long: so a preview is right to the octet."""
        number = secrets.randbits(30) | 1 << 30
        while number in self._ids:
            number = secrets.randbits(30) | 1 << 30
        return number


def spans_of(places: Iterable[Place]) -> list[tuple[Span, int]]:
    """Places as spans with their port."""
    by_port: dict[int, list[Span]] = {}
    for number, port in places:
        by_port.setdefault(port, []).append((number, number))
    return [(span, port) for port, spans in sorted(by_port.items()) for span in merged(spans)]
