"""One datagram an address and pass, paced; answers as they come.

What is asked by broadcast comes first, and who answers it is not asked again. Then addresses of
one pace and patience after those of another, the fastest first, so that no slow segment holds up
the rest.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, filterfalse, islice
from typing import NamedTuple

from services.discovery.broadcast import BroadcastAsk
from services.discovery.groups import AS_SET, V3, FoundBy, Group, group_in
from services.discovery.pace import Pacer
from services.discovery.plan import Plan
from services.discovery.questions import Question, Questions
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import Credential
from shared.scope import AskingManner
from shared.snmp.port import Traffic, Varbind
from shared.snmp.receive_buffer import remarks
from shared.snmp.udp import UdpSocket
from shared.spans import Span, is_ipv4, merged, number_of, size_of, without

_FAST = 5_000  # datagrams a second, from which a small receive buffer tells
_MOST_WAITING = 1_000  # answers that nobody has taken yet; with more nothing is asked
_MOST_UNSENDABLE = 10_000  # spans that are named with one reason

Place = tuple[int, int]  # an address as its number, and a port


class Answer(NamedTuple):
    """The first answer of an address; `varbinds` is empty where it was an error, or of v3.

    Without a credential it came when all of `tried` were silent: SNMPv3 is spoken there.
    """

    address: str
    port: int
    found_by: FoundBy
    credential: str
    version: int
    varbinds: tuple[Varbind, ...]
    others: tuple[str, ...] = ()  # SNMPv3: credentials of its range that were not asked with yet
    tried: tuple[str, ...] = ()
    manner: AskingManner | None = None  # where not as the site is set


class _Course(NamedTuple):
    """Groups of one pace and patience."""

    rate: float
    timeout_s: float
    groups: tuple[Group, ...]


class Sweep:
    """Asks what a plan says. Use once: `async for answer in sweep.answers()`.

    Args:
        rate: datagrams a second at most, 0 for unpaced; the ceiling's pace stands above it
            for whoever makes this.
        timeout_s: how long a pass waits after its last datagram, where a segment says nothing.
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
        self.unsendable: dict[str, list[tuple[Span, int]]] = {}  # with ports, by what was said
        self.remarks: list[str] = []  # at the end: what an operator should know, in words
        self.ceiling = ceiling
        self._rate = rate
        self._timeout_s = timeout_s
        self._done: defaultdict[int, set[int]] = defaultdict(set)  # by port
        for at, port in done:
            self._done[port].add(at)
        self._courses = _courses(plan.groups, rate, timeout_s)
        self._course = 0  # the one that is being asked
        self._silent = 0  # addresses of it
        self._none_is_silent = asyncio.Event()
        self._queue: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._last_asked: tuple[Group, int] | None = None  # by the first pass of this course
        self._is_first_pass_over = False
        self._questions = Questions()
        self._payloads = {
            one: self._questions.new(one.version, credentials[one.credential], asked=one)
            for one in {one for group in plan.groups for one in group.passes}
        }
        self._of_engine = self._questions.new(V3)
        self._broadcasts = [
            (one, self._questions.new(one.version, broadcast=one)) for one in plan.broadcasts
        ]

    async def answers(self) -> AsyncGenerator[Answer, None]:
        udp = UdpSocket(self.ceiling, self._received)
        self.traffic = udp.traffic
        sending = asyncio.create_task(self._send_all(udp))
        try:
            while (answer := await self._queue.get()) is not None:
                if self._queue.qsize() < _MOST_WAITING:
                    self._has_room.set()
                yield answer
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self.remarks += remarks(
                udp.receive_buffer_bytes,
                udp.dropped,
                is_fast=not self._rate or self._rate > _FAST,
            )
            udp.close()

    def datagrams_at_most(self) -> tuple[int, int]:
        """How many datagrams go out where nothing answers, and their bytes on IPv4 and IPv6."""
        count = 2 * len(self._broadcasts)
        octets = sum(2 * (len(payload) + 28) for _, payload in self._broadcasts)
        for group in self.plan.groups:
            for payload in self._asked(group):
                for first, last in group.spans:
                    header = 28 if is_ipv4(first) else 48
                    count += last - first + 1
                    octets += (last - first + 1) * (len(payload) + header)
        return count, octets

    def seconds_at_most(self) -> float:
        """How long that takes, or where it is unpaced how long it waits."""
        seconds = self._timeout_s * len({ask.version for ask, _ in self._broadcasts})
        for course in self._courses:
            passes = [len(self._asked(group)) for group in course.groups]
            seconds += max(passes) * course.timeout_s
            if course.rate:
                sizes = (size_of(group.spans) for group in course.groups)
                seconds += sum(map(int.__mul__, sizes, passes)) / course.rate
        return seconds

    def unasked(self) -> list[tuple[Span, int]]:
        """What the first pass has not come to, as spans with their port."""
        left: list[tuple[Span, int]] = []
        begun = self._course + self._is_first_pass_over
        for number, course in enumerate(self._courses[begun:], begun):
            last_asked = self._last_asked if number == self._course else None
            is_behind = last_asked is None
            for group in course.groups:
                for first, last in group.spans:
                    begin = first
                    if last_asked and group is last_asked[0] and first <= last_asked[1] <= last:
                        begin, is_behind = last_asked[1] + 1, True
                    if is_behind:
                        done = merged((at, at) for at in self._done[group.port])
                        left.extend((span, group.port) for span in without([(begin, last)], done))
        return left

    def _asked(self, group: Group) -> list[bytes]:
        """Its questions, one a pass."""
        payloads = [self._payloads[one] for one in group.passes]
        return [*payloads, self._of_engine] if group.asks_engine else payloads

    async def _send_all(self, udp: UdpSocket) -> None:
        try:
            await self._send_broadcasts(udp)
            for number, course in enumerate(self._courses):
                self._begin(number)
                pacer = Pacer(course.rate)
                asked = [(group, self._asked(group)) for group in course.groups]
                for one in range(max(len(payloads) for _, payloads in asked)):
                    for group, payloads in asked:
                        if one < len(payloads):
                            await self._pass(payloads[one], group, udp, pacer)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(course.timeout_s):
                            await self._none_is_silent.wait()
                    self._is_first_pass_over = True
        finally:
            self._queue.put_nowait(None)

    async def _send_broadcasts(self, udp: UdpSocket) -> None:
        for version in sorted({ask.version for ask, _ in self._broadcasts}):
            for ask, payload in self._broadcasts:
                if ask.version == version:
                    self._send_broadcast(udp, ask, payload)
            await asyncio.sleep(self._timeout_s)

    def _send_broadcast(self, udp: UdpSocket, ask: BroadcastAsk, payload: bytes) -> None:
        interface, address, network = ask.at
        try:
            udp.broadcast(payload, network, ask.port, interface=interface, source=address)
        except (OutsideCeilingError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.remarks.append(f"no broadcast in {network} at {interface}: {reason}")

    def _begin(self, course: int) -> None:
        self._course, self._last_asked, self._is_first_pass_over = course, None, False
        groups = self._courses[course].groups
        self._silent = 0
        for group in groups:
            done = merged((at, at) for at in self._done[group.port])
            self._silent += size_of(without(group.spans, done))
        self._none_is_silent.clear()
        if not self._silent:
            self._none_is_silent.set()

    async def _pass(self, payload: bytes, group: Group, udp: UdpSocket, pacer: Pacer) -> None:
        silent = self._silent_in(group)
        while burst := list(islice(silent, await pacer.turns())):
            await self._has_room.wait()
            await self._send(udp, payload, group, burst)

    def _silent_in(self, group: Group) -> Iterator[int]:
        """Its addresses; one that answers before its turn comes is left out."""
        unsendable = merged(
            span for places in self.unsendable.values() for span, at in places if at == group.port
        )
        spans = without(group.spans, unsendable)
        addresses = chain.from_iterable(range(first, last + 1) for first, last in spans)
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
        """Neighbours are one span; more scattered ones than can be named count as asked."""
        reason = str(error).partition(": ")[2]
        if isinstance(error, OSError):
            reason = f"nothing can be sent there: {error.strerror}"
        named = self.unsendable.setdefault(reason, [])
        if named and named[-1] == ((named[-1][0][0], at - 1), port):
            named[-1] = (named[-1][0][0], at), port
        elif len(named) < _MOST_UNSENDABLE:
            named.append(((at, at), port))
        else:
            return
        self._one_less_is_silent()

    def _received(self, payload: bytes, address: str, port: int) -> None:
        answered = self._questions.answered_by(payload)
        if answered is None or "%" in address:
            return
        question, varbinds = answered
        at = number_of(address)
        asked = question.broadcast.groups if question.broadcast else self.plan.groups
        group = group_in(asked, at, port)
        if group is None or at in self._done[port]:
            return
        self._done[port].add(at)
        self._queue.put_nowait(_answer(address, question, group, varbinds))
        if self._queue.qsize() >= _MOST_WAITING:
            self._has_room.clear()
        if self._courses and group_in(self._courses[self._course].groups, at, port):
            self._one_less_is_silent()

    def _one_less_is_silent(self) -> None:
        self._silent -= 1
        if not self._silent:
            self._none_is_silent.set()


def _courses(groups: Iterable[Group], rate: float, timeout_s: float) -> list[_Course]:
    """Each at its own pace, which is at most the sweep's; 0 is unpaced, and fastest."""
    alike: dict[tuple[float, float], list[Group]] = {}
    for group in groups:
        pace = min(group.manner.pace or rate, rate or group.manner.pace or 0)
        alike.setdefault((pace, group.manner.timeout_s or timeout_s), []).append(group)
    courses = [_Course(*key, tuple(asked)) for key, asked in alike.items()]
    return sorted(courses, key=lambda one: (-one.rate if one.rate else float("-inf"), one[1]))


def _answer(
    address: str, question: Question, group: Group, varbinds: tuple[Varbind, ...]
) -> Answer:
    manner = None if group.manner == AS_SET else group.manner
    asked = group.passes[0] if question.broadcast else question.asked
    if asked is None:
        return Answer(
            address, group.port, group.found_by, "", V3, (), tried=group.credentials, manner=manner
        )
    others: tuple[str, ...] = ()
    if asked.version == V3 and asked.credential in group.credentials:
        at = group.credentials.index(asked.credential)
        others = group.credentials[at + 1 :]
    return Answer(address, group.port, group.found_by, *asked, varbinds, others, manner=manner)
