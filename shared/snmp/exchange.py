"""Which datagram answers which question: by a random 31-bit request id and by its source."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from shared.ceiling import Ceiling
from shared.snmp.fallback import decode_leniently, request_id_leniently
from shared.snmp.port import NoAnswerError, Traffic
from shared.snmp.udp import UdpSocket, canonical, datagram_bytes
from shared.snmp.wire import (
    MAX_OCTETS,
    RESPONSE,
    SnmpMessage,
    WireError,
    cut,
    decode,
    fresh_id,
    request_id_of,
)

Answer = SnmpMessage | WireError
_canonical = lru_cache(maxsize=4096)(canonical)


@dataclass
class Strays:
    """Datagrams that came and answered nothing."""

    elsewhere: int = 0  # an open request's id, but not from where it was sent
    late: int = 0  # no open request's id: late, doubled or made up
    malformed: int = 0


@dataclass(eq=False, slots=True)
class Waiting:
    """One open request. `stray` says in words what came instead of an answer."""

    source: tuple[str, int]
    traffic: Traffic
    from_anywhere: bool  # the id alone tells the answer, whatever address it comes from
    future: asyncio.Future[Answer | None]
    until: float = inf  # the loop's time
    stray: str = ""

    def left(self, octets: int) -> None:
        self.traffic.packets_out += 1
        self.traffic.bytes_out += octets

    def refused(self, error: OSError) -> None:
        if not self.future.done():
            self.future.set_exception(cannot_send(self.source[0], error))

    def give(self, answer: Answer, payload_length: int) -> None:
        self.traffic.packets_in += 1
        self.traffic.bytes_in += datagram_bytes(payload_length, self.source[0])
        if not self.future.done():
            self.future.set_result(answer)

    def give_up(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Exchange:
    """The sockets and open requests of all sessions."""

    def __init__(self, ceiling: Ceiling, *, timeout_s: float, tries: int, max_open: int) -> None:
        self.timeout_s = timeout_s
        self.tries = tries
        self.slots = asyncio.Semaphore(max_open)
        self.strays = Strays()
        self.udp = UdpSocket(ceiling, self._received)
        self._open: dict[int, Waiting] = {}
        self._alarm: asyncio.TimerHandle | None = None  # at the earliest `until`, or before it

    def close(self) -> None:
        self.udp.close()
        if self._alarm:
            self._alarm.cancel()

    def open(
        self, address: str, port: int, traffic: Traffic, *, from_anywhere: bool
    ) -> tuple[int, Waiting]:
        """A request id, and what is waited for under it until it is closed."""
        request_id = fresh_id()
        while request_id in self._open:
            request_id = fresh_id()
        future = asyncio.get_running_loop().create_future()
        waiting = Waiting((_canonical(address), port), traffic, from_anywhere, future)
        self._open[request_id] = waiting
        return request_id, waiting

    def close_request(self, request_id: int) -> None:
        self._open.pop(request_id).future.cancel()

    def send(self, payload: bytes, address: str, port: int, waiting: Waiting) -> None:
        """Raises: OutsideCeilingError."""
        self.udp.post(payload, address, port, waiting)

    def answer(self, waiting: Waiting, until: float) -> asyncio.Future[Answer | None]:
        """What comes until that loop time; None for silence. It may be asked for again then.

        The future raises NoAnswerError, where the system will not send the question.
        """
        if waiting.future.done():
            waiting.future = asyncio.get_running_loop().create_future()
        waiting.until = until
        if self._alarm is None or self._alarm.when() > until:
            self._set_alarm(until)
        return waiting.future

    def _set_alarm(self, until: float) -> None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if until < inf:
            self._alarm = asyncio.get_running_loop().call_at(until, self._give_up)

    def _give_up(self) -> None:
        """One alarm for all that are open, as nearly all are answered long before."""
        now = asyncio.get_running_loop().time()
        for waiting in self._open.values():
            if waiting.until <= now:
                waiting.until = inf
                waiting.give_up()
        self._set_alarm(min((waiting.until for waiting in self._open.values()), default=inf))

    def _received(self, payload: bytes, address: str, port: int) -> None:
        """Only an answer that is waited for is read to its end: anybody may send the rest."""
        source = (address, port)
        try:
            asked = self._open.get(self._request_id_of(payload, source))
            if asked is None or asked.future.done():
                self.strays.late += 1
                for waiting in self._open_to(source):
                    waiting.stray = "an answer to no open request came"
            elif asked.source != source and not asked.from_anywhere:
                self.strays.elsewhere += 1
                asked.stray = f"an answer came from {address} port {port} instead"
            else:
                asked.give(_decoded(payload), len(payload))
        except WireError as error:
            self.strays.malformed += 1
            answer = WireError(f"answered with {len(payload)} octets that are no answer: {error}")
            for waiting in self._open_to(source):
                waiting.give(answer, len(payload))

    def _request_id_of(self, payload: bytes, source: tuple[str, int]) -> int:
        """Raises: WireError. What is odd is looked into only where an answer is waited for."""
        try:
            return request_id_of(payload)
        except WireError:
            if not self._open_to(source):
                raise
            return request_id_leniently(payload)

    def _open_to(self, source: tuple[str, int]) -> list[Waiting]:
        """Looked for among all that are open, as it is needed for strays alone."""
        return [waiting for waiting in self._open.values() if waiting.source == source]


def cannot_send(address: str, error: OSError) -> NoAnswerError:
    return NoAnswerError(f"{address}: nothing can be sent there: {error.strerror}")


def _decoded(payload: bytes) -> SnmpMessage:
    """A response, in whatever BER. Raises: WireError."""
    try:
        answer = decode(payload)
    except WireError as strict:
        try:
            answer = decode_leniently(payload)
        except WireError:
            raise strict from None  # it names the octet
    if answer.pdu != RESPONSE:
        raise WireError("a question")
    return cut(answer) if len(payload) > MAX_OCTETS else answer
