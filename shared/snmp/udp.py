"""The one place from which an SNMP datagram leaves."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_address
from itertools import islice, takewhile
from typing import NamedTuple, Protocol, Self

from shared.ceiling import Ceiling, OutsideCeilingError
from shared.snmp.burst import MOST, MOST_OCTETS, Burst, Post, sendmmsg
from shared.snmp.port import Traffic
from shared.snmp.receive_buffer import dropped, enlarge, granted_bytes
from shared.spans import address_of, is_ipv4, without

_MAX_DATAGRAM = 65_535
_DRAIN = 64  # datagrams read before the loop may do something else
_IPV4_BITS = 0xFFFFFFFF
_FULL = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})
_EVERYBODY = "255.255.255.255"
_ROOM_S = 0.001  # ENOBUFS comes from below the socket, which looks writable

Received = Callable[[bytes, str, int], None]  # payload, source address, source port


class Sender(Protocol):
    """Whose datagram it is: what became of it is said once, in a later turn of the loop."""

    def left(self, octets: int) -> None: ...

    def refused(self, error: OSError) -> None: ...


def datagram_bytes(payload_length: int, address: str) -> int:
    """Octets on the network: with the IP and UDP headers, without the link's."""
    return payload_length + (48 if ":" in address else 28)


def canonical(address: str) -> str:
    """An address as the source of its answers will be written.

    Text that is no IP address stays as it is: the ceiling refuses it at the socket.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if ip.version == 6 and ip.scope_id:
        with suppress(OSError):  # no such interface: the socket will say so
            return _scoped(str(ip).partition("%")[0], _interface_index(ip.scope_id))
    return str(ip)


class _Posted(NamedTuple):
    payload: bytes
    address: str
    port: int
    sender: Sender


def _goes_together(posted: _Posted) -> bool:
    return ":" not in posted.address and len(posted.payload) <= MOST_OCTETS


class UdpSocket:
    """One socket an address family, opened when first needed; both give to one callback.

    An async context manager; `close` does the same as leaving it.

    `traffic` counts every datagram that left or came, whoever it was for.
    """

    def __init__(self, ceiling: Ceiling, received: Received) -> None:
        self.ceiling = ceiling
        self.traffic = Traffic()
        self._received = received
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}
        self._broadcasting: dict[tuple[str, str], socket.socket] = {}  # by interface and address
        self._burst = Burst() if sendmmsg() else None
        self._post = Post() if sendmmsg() else None
        self._posted: deque[_Posted] = deque()
        self._dropped_before = 0  # by sockets that are closed
        self._room = asyncio.Event()
        self._room.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        self._dropped_before = self.dropped
        for opened in self._all():
            loop.remove_reader(opened)
            loop.remove_writer(opened)
            opened.close()
        self._sockets.clear()
        self._broadcasting.clear()
        self._posted.clear()
        self._room.set()

    @property
    def receive_buffer_bytes(self) -> int:
        """What the system granted of what was asked for; 0 before the first datagram."""
        return min(map(granted_bytes, self._all()), default=0)

    @property
    def dropped(self) -> int:
        """Datagrams that came while the receive buffer was full, as far as the system counts."""
        return self._dropped_before + sum(map(dropped, self._all()))

    def _all(self) -> list[socket.socket]:
        return [*self._sockets.values(), *self._broadcasting.values()]

    def post(self, payload: bytes, address: str, port: int, sender: Sender) -> None:
        """Send one datagram together with the others of this turn of the loop.

        A call of the system costs more than all else about a datagram. `address` as for `send`.

        Raises: OutsideCeilingError, before anything leaves.
        """
        self.ceiling.check(address, port)
        if not self._posted:
            asyncio.get_running_loop().call_soon(self._send_posted)
        self._posted.append(_Posted(payload, address, port, sender))

    def _send_posted(self) -> None:
        while self._posted:
            try:
                sent = self._send_first()
            except OSError as error:
                if error.errno in _FULL:
                    asyncio.get_running_loop().call_later(_ROOM_S, self._send_posted)
                    return
                self._posted.popleft().sender.refused(error)
                continue
            for _ in range(sent):
                payload, address, _, sender = self._posted.popleft()
                octets = datagram_bytes(len(payload), address)
                self.traffic.packets_out += 1
                self.traffic.bytes_out += octets
                sender.left(octets)

    def _send_first(self) -> int:
        """How many of those posted left, from the first on. Raises: OSError, of the first."""
        payload, address, port, _ = self._posted[0]
        outgoing = self._opened(address)
        if self._post:
            together = list(takewhile(_goes_together, islice(self._posted, MOST)))
            if len(together) > 1:
                return self._post.send(outgoing, [one[:3] for one in together])
        outgoing.sendto(payload, _destination(address, port))
        return 1

    def send(self, payload: bytes, address: str, port: int) -> bool:
        """Send one datagram now; False where the send buffer is full (then await `writable`).

        `address` is an IP address, for IPv6 with a zone where it is link-local (fe80::7%eth0).

        Raises:
            OutsideCeilingError: before anything leaves.
            OSError: the system will not send it: no route, no such interface, too long.
        """
        self.ceiling.check(address, port)
        outgoing = self._opened(address)
        try:
            outgoing.sendto(payload, _destination(address, port))
        except OSError as error:
            self._wait_for_room(error, outgoing)
            return False
        self.traffic.packets_out += 1
        self.traffic.bytes_out += datagram_bytes(len(payload), address)
        return True

    def send_many(self, payload: bytes, numbers: Sequence[int], port: int) -> int:
        """Send one datagram to each of these addresses, in order; how many left.

        Fewer than all say that the next was not tried, and none that the send buffer is full
        (then await `writable`). `numbers` are at least one, as shared.spans counts addresses.

        Raises: as `send`, of the first address.
        """
        span = min(numbers), max(numbers)
        is_one_burst = is_ipv4(span[0]) and is_ipv4(span[1]) and len(numbers) > 1
        if not self._burst or not is_one_burst or without([span], self.ceiling.allowed_at(port)):
            return int(self.send(payload, address_of(numbers[0]), port))
        outgoing = self._opened(address_of(numbers[0]))
        addresses = [(number & _IPV4_BITS).to_bytes(4, "big") for number in numbers[:MOST]]
        try:
            sent = self._burst.send(outgoing, payload, addresses, port)
        except OSError as error:
            self._wait_for_room(error, outgoing)
            return 0
        self.traffic.packets_out += sent
        self.traffic.bytes_out += sent * (len(payload) + 28)
        return sent

    def broadcast(
        self, payload: bytes, network: IPv4Network, port: int, *, interface: str, source: str
    ) -> None:
        """One datagram to 255.255.255.255 and one to the network's own broadcast address.

        Agents answer to the one or to the other (net-snmp's to the first alone), and from their
        own address. `source` is this box's own in the network, and `interface` where that is.

        Raises:
            OutsideCeilingError: before anything leaves.
            OSError: the system will not send it.
        """
        refusal = self.ceiling.broadcast_refusal(network, port)
        if refusal:
            raise OutsideCeilingError(f"{network}: {refusal}")
        outgoing = self._bound_to(interface, source)
        for address in (_EVERYBODY, str(network.broadcast_address)):
            outgoing.sendto(payload, (address, port))
            self.traffic.packets_out += 1
            self.traffic.bytes_out += datagram_bytes(len(payload), address)

    def _bound_to(self, interface: str, source: str) -> socket.socket:
        """The one that may broadcast, at one interface alone. Raises: OSError."""
        known = self._broadcasting.get((interface, source))
        if known:
            return known
        opened = self._new(socket.AF_INET, source)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            with suppress(AttributeError, PermissionError):  # its address chooses the interface
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        except OSError:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()
            raise
        self._broadcasting[interface, source] = opened
        return opened

    async def writable(self) -> None:
        """Returns when a datagram that `send` did not take may be tried again."""
        await asyncio.sleep(_ROOM_S)
        await self._room.wait()

    def _wait_for_room(self, error: OSError, outgoing: socket.socket) -> None:
        """Raises: OSError, `error` itself, unless it says that the send buffer is full."""
        if error.errno not in _FULL:
            raise error
        self._room.clear()
        asyncio.get_running_loop().add_writer(outgoing, self._writable_again, outgoing)

    def _writable_again(self, outgoing: socket.socket) -> None:
        asyncio.get_running_loop().remove_writer(outgoing)
        self._room.set()

    def _opened(self, address: str) -> socket.socket:
        """The one that sends to `address`. Raises: OSError, where there can be none."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self._sockets.get(family) or self._open(family)

    def _open(self, family: socket.AddressFamily) -> socket.socket:
        self._sockets[family] = self._new(family, "")
        return self._sockets[family]

    def _new(self, family: socket.AddressFamily, source: str) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            enlarge(opened)
            opened.bind((source, 0))
            asyncio.get_running_loop().add_reader(opened, self._drain, opened)
        except OSError:
            opened.close()
            raise
        return opened

    def _drain(self, opened: socket.socket) -> None:
        for _ in range(_DRAIN):
            try:
                payload, source = opened.recvfrom(_MAX_DATAGRAM)
            except OSError:  # nothing left, or an ICMP error about a datagram sent before
                return
            address, port = source[0], source[1]
            if len(source) == 4:
                address = _scoped(address.partition("%")[0], source[3])
            self.traffic.packets_in += 1
            self.traffic.bytes_in += datagram_bytes(len(payload), address)
            self._received(payload, address, port)


def _destination(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    if ":" not in address:
        return address, port
    host, _, zone = address.partition("%")
    return host, port, 0, _interface_index(zone) if zone else 0


def _interface_index(zone: str) -> int:
    return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)


def _scoped(address: str, interface_index: int) -> str:
    if not interface_index:
        return address
    try:
        return f"{address}%{socket.if_indextoname(interface_index)}"
    except OSError:
        return f"{address}%{interface_index}"
