"""A fleet of like printers in a process of its own, that keeps by name who answered whom."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from typing import Literal, NamedTuple, Self

from services.discovery.identify import FIRST_QUESTION
from services.solo.simulator import SYS_UP_TIME, SimulatedAgent
from shared.snmp.wire import GET, decode, request_id_of
from shared.snmprec import read_snmprec
from tests.flow.fleet import WALKS
from tests.peers.agent import free_udp_port
from tests.peers.crowd import IP_PKTINFO

_WALK, _SERIAL, _MAC = "mono-laser", b"NWL2400187", bytes.fromhex("020000240001")
_CONTROL = socket.CMSG_SPACE(12)
_PATIENCE_S = 30.0
_Kind = Literal["sweep", "counters", "other"]


@dataclass
class Seen:
    """What devices were asked and did since `Simulated.begin`."""

    answered: set[str] = field(default_factory=set)  # addresses that answered a sweep
    reads: int = 0  # how often counters were given: once a read, however often it is asked again
    datagrams: int = 0  # that came


class _Answer(NamedTuple):
    kind: _Kind
    payload: bytes
    id_at: int


class Simulated:
    """`number` printers from `first` on, each with a serial number and a MAC of its own.

    A context manager; the printers answer at `port` while the block runs.
    """

    def __init__(self, first: str, number: int) -> None:
        self.port = free_udp_port()
        self.addresses = [str(IPv4Address(first) + n) for n in range(number)]
        self._pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs, self.addresses, self.port), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        self._ask(None)
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # which ends it
        self._process.join(_PATIENCE_S)

    def begin(self, *, silent: Collection[str] = (), mute: Collection[str] = ()) -> None:
        """From now on `silent` ones answer nothing, and `mute` ones only a sweep."""
        self._ask((frozenset(silent), frozenset(mute)))

    def seen(self) -> Seen:
        return self._ask(None)

    def _ask(self, order: tuple[frozenset[str], frozenset[str]] | None) -> Seen:
        self._pipe.send(order)
        assert self._pipe.poll(_PATIENCE_S), "the simulated printers do not answer their test"
        seen: Seen = self._pipe.recv()
        return seen


def _serve(pipe: Connection, addresses: Iterable[str], port: int) -> None:
    crowd = _Printers(addresses, port)
    with selectors.DefaultSelector() as ready:
        ready.register(crowd.socket, selectors.EVENT_READ)
        ready.register(pipe, selectors.EVENT_READ)
        with suppress(EOFError):  # the test has ended
            while True:
                for key, _ in ready.select():
                    if key.fileobj is not pipe:
                        crowd.drain()
                        continue
                    order = pipe.recv()
                    if order is not None:
                        crowd.silent, crowd.mute = order
                        crowd.seen = Seen()
                    pipe.send(crowd.seen)


class _Printers:
    def __init__(self, addresses: Iterable[str], port: int) -> None:
        self.silent: frozenset[str] = frozenset()
        self.mute: frozenset[str] = frozenset()
        self.seen = Seen()
        self._agent = SimulatedAgent(read_snmprec(WALKS / f"{_WALK}.snmprec"))
        self._numbers = {address: n for n, address in enumerate(addresses, 1)}
        self._answers: dict[bytes, _Answer] = {}  # by the question without its id
        self._counted: set[tuple[str, bytes]] = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self.socket.bind(("", port))

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while True:
                payload, control, _, source = self.socket.recvmsg(65_535, _CONTROL)
                [(_, _, info)] = control
                self._take(payload, info[8:12], source)  # struct in_pktinfo: ipi_addr

    def _take(self, payload: bytes, asked: bytes, source: tuple[str, int]) -> None:
        address = socket.inet_ntoa(asked)
        number = self._numbers.get(address)
        if number is None:
            return
        self.seen.datagrams += 1
        if address in self.silent:
            return
        at = _id_at(payload)
        question_id = payload[at : at + 4]
        answer = self._answer(payload, at)
        if address in self.mute and answer.kind != "sweep":
            return
        if answer.kind == "sweep":
            self.seen.answered.add(address)
        elif answer.kind == "counters" and (address, question_id) not in self._counted:
            self._counted.add((address, question_id))
            self.seen.reads += 1
        whole = answer.payload[: answer.id_at] + question_id + answer.payload[answer.id_at + 4 :]
        whole = whole.replace(_SERIAL, b"NWL%07d" % number)
        whole = whole.replace(_MAC, _MAC[:3] + number.to_bytes(3, "big"))
        info = bytes(4) + asked + bytes(4)  # ipi_spec_dst: what it is sent from
        with suppress(BlockingIOError):  # a full buffer loses it, as a network may
            self.socket.sendmsg([whole], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, source)

    def _answer(self, payload: bytes, id_at: int) -> _Answer:
        """Worked out once for all devices: only id, serial number and MAC differ."""
        question = payload[:id_at] + payload[id_at + 4 :]
        if question not in self._answers:
            asked = decode(payload)
            answer = self._agent.answer(payload, ("", 0))
            assert answer is not None
            oids = [varbind.oid for varbind in asked.varbinds]
            kind: _Kind = "other"
            if asked.pdu == GET and oids == list(FIRST_QUESTION):
                kind = "sweep"
            elif asked.pdu == GET and oids[0] == SYS_UP_TIME:
                kind = "counters"
            self._answers[question] = _Answer(kind, answer, _id_at(answer))
        return self._answers[question]


def _id_at(payload: bytes) -> int:
    """Where the request id's octets begin: four of them, as our own client asks."""
    return payload.index(b"\x02\x04" + request_id_of(payload).to_bytes(4, "big")) + 2
