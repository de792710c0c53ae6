"""One datagram an address and pass, paced; answers as they come."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, filterfalse, islice
from typing import NamedTuple

from services.discovery.identify import FIRST_QUESTION, V1_QUESTION
from services.discovery.pace import Pacer
from services.discovery.plan import V3, FoundBy, Group, Pass, Plan
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import Credential
from shared.snmp.engine import engine_answer, engine_question
from shared.snmp.port import Traffic, Varbind
from shared.snmp.receive_buffer import remarks
from shared.snmp.udp import UdpSocket
from shared.snmp.wire import GET, RESPONSE, V1, WireError, decode, encode_request
from shared.spans import Span, is_ipv4, merged, number_of, without

_FAST = 5_000  # datagrams a second, from which a small receive buffer tells
_LONGEST_ANSWER = 4096  # octets; the five rows that are asked for are at most 255 each

Place = tuple[int, int]  # an address as its number, and a port


class Answer(NamedTuple):
    """The first answer of an address; `varbinds` is empty where it was an error, or of v3."""

    address: str
    port: int
    found_by: FoundBy
    credential: str
    version: int
    varbinds: tuple[Varbind, ...]
    others: tuple[str, ...] = ()  # SNMPv3: credentials whose engine question was the same


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
        self.remarks: list[str] = []  # at the end: what an operator should know, in words
        self.ceiling = ceiling
        self._rate = rate
        self._timeout_s = timeout_s
        self._done: defaultdict[int, set[int]] = defaultdict(set)  # by port
        for at, port in done:
            self._done[port].add(at)
        self._silent = plan.size - sum(1 for place in done if plan.group_of(*place))
        self._none_is_silent = asyncio.Event()
        if not self._silent:
            self._none_is_silent.set()
        self._queue: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._last_asked: tuple[Group, int] | None = None  # by the first pass
        self._is_first_pass_over = False
        self._ids: dict[int, Pass] = {}
        self._marks: list[tuple[bytes, Pass]] = []  # the ids as they are in a datagram
        self._payloads: dict[Pass, bytes] = {}
        for one in {one for group in plan.groups for one in group.passes}:
            number = self._fresh_id()
            self._ids[number] = one
            self._marks.append((number.to_bytes(4, "big"), one))
            self._payloads[one] = _question(one, credentials[one.credential], number)

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
            self.remarks = remarks(
                udp.receive_buffer_bytes,
                udp.dropped,
                is_fast=not self._rate or self._rate > _FAST,
            )
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
        is_behind = self._last_asked is None
        for group in self.plan.groups:
            for first, last in group.spans:
                begin = first
                last_asked = self._last_asked
                if last_asked and group is last_asked[0] and first <= last_asked[1] <= last:
                    begin, is_behind = last_asked[1] + 1, True
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
        for group in self.plan.groups:
            if number >= len(group.passes):
                continue
            payload = self._payloads[group.passes[number]]
            silent = self._silent_in(group)
            while burst := list(islice(silent, await pacer.turns())):
                await self._send(udp, payload, group, burst)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._none_is_silent.wait()

    def _silent_in(self, group: Group) -> Iterator[int]:
        """Its addresses; one that answers before its turn comes is left out."""
        addresses = chain.from_iterable(range(first, last + 1) for first, last in group.spans)
        return filterfalse(self._done[group.port].__contains__, addresses)

    async def _send(self, udp: UdpSocket, payload: bytes, group: Group, burst: list[int]) -> None:
        while burst:
            try:
                sent = udp.send_many(payload, burst, group.port)
            except (OutsideCeilingError, OSError) as error:
                self._cannot_send(error, burst[0], group.port)
                sent = 1
            if sent:
                self._last_asked = group, burst[sent - 1]
                burst = burst[sent:]
            else:
                await udp.writable()
                burst = [at for at in burst if at not in self._done[group.port]]

    def _cannot_send(self, error: Exception, at: int, port: int) -> None:
        reason = str(error).partition(": ")[2]
        if isinstance(error, OSError):
            reason = f"nothing can be sent there: {error.strerror}"
        self.unsendable.setdefault(reason, []).append((at, port))
        self._no_longer_silent(at, port)

    def _received(self, payload: bytes, address: str, port: int) -> None:
        """Anybody may send anything: only what bears an id of ours is read to its end."""
        asked = next((one for mark, one in self._marks if mark in payload), None)
        if asked is None or len(payload) > _LONGEST_ANSWER:
            return
        try:
            number, varbinds = _read(payload, asked.version)
            at = number_of(address)
        except (WireError, ValueError):
            return
        group = self.plan.group_of(at, port)
        if self._ids.get(number) is not asked or not group or at in self._done[port]:
            return
        self._queue.put_nowait(
            Answer(address, port, group.found_by, *asked, varbinds, _others(asked, group))
        )
        self._no_longer_silent(at, port)

    def _no_longer_silent(self, at: int, port: int) -> None:
        self._done[port].add(at)
        self._silent -= 1
        if not self._silent:
            self._none_is_silent.set()

    def _fresh_id(self) -> int:
        """30 random bits, always four octets long: so a preview is right to the octet."""
        number = secrets.randbits(30) | 1 << 30
        while number in self._ids:
            number = secrets.randbits(30) | 1 << 30
        return number


def _others(asked: Pass, group: Group) -> tuple[str, ...]:
    if asked.version != V3:
        return ()
    names = [one.credential for one in group.passes if one.version == V3 and one != asked]
    return tuple(dict.fromkeys(names))


def _question(one: Pass, credential: Credential, number: int) -> bytes:
    if one.version == V3:
        return engine_question(number)
    oids = V1_QUESTION if one.version == V1 else FIRST_QUESTION
    return encode_request(one.version, credential.community_octets, GET, number, oids)


def _read(payload: bytes, version: int) -> tuple[int, tuple[Varbind, ...]]:
    """The id of an answer, and its rows; of an error there are none. Raises: WireError."""
    if version == V3:
        return engine_answer(payload).message_id, ()
    message = decode(payload)
    if message.pdu != RESPONSE:
        raise WireError("a question where an answer belongs")
    rows = () if message.error_status else message.varbinds[: len(FIRST_QUESTION)]
    return message.request_id, tuple(rows)


def spans_of(places: Iterable[Place]) -> list[tuple[Span, int]]:
    """Places as spans with their port."""
    by_port: dict[int, list[Span]] = {}
    for number, port in places:
        by_port.setdefault(port, []).append((number, number))
    return [(span, port) for port, spans in sorted(by_port.items()) for span in merged(spans)]
