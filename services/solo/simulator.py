"""SNMP agents that are not there: real UDP on loopback addresses, for demo, replay and tests."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address

from services.solo.misbehaviour import COPIES, Misbehaviour, spoil, wrong_next
from shared.snmp.error_status import NO_ERROR, NO_SUCH_NAME, TOO_BIG
from shared.snmp.port import Value, Varbind
from shared.snmp.wire import (
    GET,
    GETBULK,
    GETNEXT,
    RESPONSE,
    V1,
    V2C,
    SnmpMessage,
    WireError,
    decode,
    encode,
    encode_varbind,
)

Rows = Mapping[str, tuple[str, Value | Callable[[], Value]]]  # OID -> SMI type, value or its source
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
_HEADER_BYTES = 60  # at most, around the varbinds, with a community of 20 octets
_MAX_RECEIVED = 1000


class SimulatedAgent:
    """One device.

    Args:
        rows: what it has; a callable gives the value of the instant.
        v1_only: is silent to v2c.
        delay_s: between a question and its answer.
        max_message: octets that an answer has at most.
        max_varbinds: GET and GETNEXT for more are tooBig; GETBULK gives no more.
        loss: share of questions that are lost.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        community: bytes = b"public",
        v1_only: bool = False,
        silent: bool = False,
        delay_s: float = 0.0,
        max_message: int = 65_507,
        max_varbinds: int | None = None,
        loss: float = 0.0,
        misbehave: Misbehaviour | None = None,
    ) -> None:
        self.community = community
        self.v1_only = v1_only
        self.silent = silent
        self.delay_s = delay_s
        self.max_message = max_message
        self.max_varbinds = max_message if max_varbinds is None else max_varbinds
        self.loss = loss
        self.misbehave = misbehave
        self.requests = 0
        self.received: deque[tuple[tuple[str, int], int]] = deque(maxlen=_MAX_RECEIVED)
        self._dice = random.Random(len(rows))
        self.load(rows)

    def load(self, rows: Rows) -> None:
        """Be another device from now on."""
        self._up_since: float | None = None  # of the monotonic clock, since a reboot
        ordered = sorted((_order(oid), oid) for oid in rows)
        self._keys = [key for key, _ in ordered]
        self._oids = [oid for _, oid in ordered]
        self._rows = rows

    def reboot(self, *, silent_s: float = 0.0) -> None:
        """sysUpTime begins anew, after a moment in which it is silent; the counters go on."""
        self._up_since = time.monotonic() + silent_s

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        """The datagram that goes back, if any does; RFC 1157 section 4.1, RFC 3416 section 4.2."""
        self.requests += 1
        self.received.append((source, len(datagram)))
        try:
            asked = decode(datagram)
        except WireError:
            return None
        if self._ignores(asked):
            return None
        answer = self._respond(asked)
        if len(encode(answer)) > self.max_message:
            answer = self._error(asked, TOO_BIG, 0)
        return spoil(self.misbehave, asked, answer)

    def _ignores(self, asked: SnmpMessage) -> bool:
        return (
            self.silent
            or (self._up_since is not None and time.monotonic() < self._up_since)
            or asked.community != self.community
            or asked.pdu not in {GET, GETNEXT, GETBULK}
            or (asked.version == V2C and self.v1_only)
            or (asked.pdu == GETBULK and (asked.version == V1 or self.misbehave == "no_bulk"))
            or self._dice.random() < self.loss
        )

    def _respond(self, asked: SnmpMessage) -> SnmpMessage:
        if asked.pdu == GETBULK:
            return self._response(asked, self._bulk(asked))
        if len(asked.varbinds) > self.max_varbinds:
            return self._error(asked, TOO_BIG, 0)
        find = self._get if asked.pdu == GET else self._next
        found = [find(varbind.oid, asked.version) for varbind in asked.varbinds]
        if asked.version == V1:
            for index, varbind in enumerate(found, 1):
                if varbind.type in {"noSuchObject", "noSuchInstance", "endOfMibView"}:
                    return self._error(asked, NO_SUCH_NAME, index)
        return self._response(asked, found)

    def _get(self, oid: str, version: int) -> Varbind:
        if oid in self._rows and self._seen_in(oid, version):
            return self._row(oid)
        parent = oid.rpartition(".")[0] + "."
        after = bisect_left(self._keys, _order(parent.rstrip(".")))
        known = after < len(self._oids) and self._oids[after].startswith(parent)
        return Varbind(oid, "noSuchInstance" if known else "noSuchObject", None)

    def _next(self, oid: str, version: int) -> Varbind:
        at = bisect_right(self._keys, _order(oid))
        while at < len(self._oids) and not self._seen_in(self._oids[at], version):
            at += 1
        if wrong := wrong_next(self.misbehave, oid, self._oids, at):
            return self._row(wrong) if wrong in self._rows else self._made_up(wrong, at)
        if at == len(self._oids):
            return Varbind(oid, "endOfMibView", None)
        return self._row(self._oids[at])

    def _made_up(self, oid: str, at: int) -> Varbind:
        """As the last row before `at`, where one is a sibling's."""
        before = self._oids[at - 1] if at else ""
        if before.rpartition(".")[0] == oid.rpartition(".")[0]:
            return self._row(before)._replace(oid=oid)
        return Varbind(oid, "Integer32", 1)

    def _bulk(self, asked: SnmpMessage) -> list[Varbind]:
        plain = min(max(asked.error_status, 0), len(asked.varbinds))
        found = [self._next(varbind.oid, V2C) for varbind in asked.varbinds[:plain]]
        walked = [varbind.oid for varbind in asked.varbinds[plain:]]
        room = self.max_message - _HEADER_BYTES - sum(len(encode_varbind(row)) for row in found)
        for _ in range(max(asked.error_index, 0) if walked else 0):
            repetition = [self._next(oid, V2C) for oid in walked]
            for varbind in repetition:
                room -= len(encode_varbind(varbind))
                if room < 0 or len(found) >= self.max_varbinds:
                    return found
                found.append(varbind)
            if all(varbind.type == "endOfMibView" for varbind in repetition):
                break
            walked = [varbind.oid for varbind in repetition]
        return found

    def _seen_in(self, oid: str, version: int) -> bool:
        return version != V1 or self._rows[oid][0] != "Counter64"  # RFC 3584 section 4.2.2.1

    def _row(self, oid: str) -> Varbind:
        kind, value = self._rows[oid]
        if oid == SYS_UP_TIME and self._up_since is not None:
            value = int(100 * (time.monotonic() - self._up_since))
        return Varbind(oid, kind, value() if callable(value) else value)

    def _response(self, asked: SnmpMessage, varbinds: Sequence[Varbind]) -> SnmpMessage:
        return asked._replace(
            pdu=RESPONSE, error_status=NO_ERROR, error_index=0, varbinds=list(varbinds)
        )

    def _error(self, asked: SnmpMessage, status: int, index: int) -> SnmpMessage:
        varbinds = [] if status == TOO_BIG and asked.version == V2C else asked.varbinds
        return self._response(asked, varbinds)._replace(error_status=status, error_index=index)


@asynccontextmanager
async def simulate(
    agents: Mapping[tuple[str, int], SimulatedAgent],
) -> AsyncIterator[list[tuple[str, int]]]:
    """Has each agent answer on its address and port while the block runs.

    Gives the addresses and ports in the order given; a port of 0 has become one that was free.

    Raises: ValueError for an address that is not loopback; OSError for one that is taken.
    """
    for address, _ in agents:
        if not ip_address(address).is_loopback:
            raise ValueError(f"{address}: simulated devices answer on loopback addresses only")
    loop = asyncio.get_running_loop()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for where, agent in agents.items():
            endpoint = partial(_Endpoint, agent)
            transport, _ = await loop.create_datagram_endpoint(endpoint, local_addr=where)
            transports.append(transport)
        yield [transport.get_extra_info("sockname")[:2] for transport in transports]
    finally:
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)  # a transport frees its port in the loop's next turn


class _Endpoint(asyncio.DatagramProtocol):
    def __init__(self, agent: SimulatedAgent) -> None:
        self._agent = agent

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, datagram: bytes, source: tuple[str, int]) -> None:
        answer = self._agent.answer(datagram, source)
        if answer is None:
            return
        send = self._send_from_elsewhere if self._agent.misbehave == "wrong_source" else self._send
        for _ in range(COPIES.get(self._agent.misbehave, 1)):
            if self._agent.delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(self._agent.delay_s, send, answer, source)
            else:
                send(answer, source)

    def _send(self, answer: bytes, source: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(answer, source)

    def _send_from_elsewhere(self, answer: bytes, source: tuple[str, int]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((self._transport.get_extra_info("sockname")[0], 0))
            other.sendto(answer, source)


def _order(oid: str) -> tuple[int, ...]:
    return tuple(map(int, oid.split(".")))
