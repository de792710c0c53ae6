"""The socket that all SNMP leaves by: the ceiling, the counts, a full buffer, zones."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest

from services.solo.simulator import SimulatedAgent
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.snmp import receive_buffer
from shared.snmp.burst import Burst, Post, sendmmsg
from shared.snmp.receive_buffer import remarks
from shared.snmp.udp import UdpSocket, canonical
from shared.snmp.wire import GET, V2C, decode, encode_request
from shared.spans import address_of, number_of
from tests.peers.agent import Agents
from tests.peers.crowd import Crowd

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
QUESTION = encode_request(V2C, b"public", GET, 77, [SYS_DESCR])
LOOPBACK = Ceiling(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({161, 162}))
LO = IPv4Network("127.0.0.0/8")


class FullOnce(socket.socket):
    """A socket whose send buffer is full at the first datagram."""

    sent = 0

    def sendto(self, *args: Any) -> int:
        self.sent += 1
        if self.sent == 1:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().sendto(*args)


async def test_an_answer_comes_to_the_callback_with_its_source_and_is_counted(
    agents: Agents,
) -> None:
    address = await agents.start(SimulatedAgent({SYS_DESCR: ("OctetString", b"here")}))
    received: asyncio.Queue[tuple[bytes, str, int]] = asyncio.Queue()
    async with UdpSocket(agents.ceiling, lambda *came: received.put_nowait(came)) as udp:
        assert udp.send(QUESTION, address, agents.port)
        payload, *source = await asyncio.wait_for(received.get(), 5)

        assert source == [address, agents.port]
        assert decode(payload).varbinds[0].value == b"here"
        assert (udp.traffic.packets_out, udp.traffic.packets_in) == (1, 1)
        assert udp.traffic.bytes_out == len(QUESTION) + 28
        assert udp.traffic.bytes_in == len(payload) + 28
        assert udp.receive_buffer_bytes > 0


@pytest.mark.parametrize(
    ("address", "port"),
    [("127.0.0.1", 9100), ("8.8.8.8", 161), ("printer.example", 161), ("::1", 161)],
)
async def test_what_the_ceiling_does_not_allow_opens_not_even_a_socket(
    address: str, port: int
) -> None:
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        with pytest.raises(OutsideCeilingError):
            udp.send(QUESTION, address, port)

        assert udp.receive_buffer_bytes == 0
        assert udp.traffic.packets_out == 0


async def test_a_full_send_buffer_is_waited_for_and_not_counted() -> None:
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        full = FullOnce(socket.AF_INET, socket.SOCK_DGRAM)
        full.setblocking(False)
        udp._sockets[socket.AF_INET] = full

        assert not udp.send(QUESTION, "127.0.0.1", 162)
        assert udp.traffic.packets_out == 0
        await asyncio.wait_for(udp.writable(), 5)
        assert udp.send(QUESTION, "127.0.0.1", 162)
        assert udp.traffic.packets_out == 1


class FullBurst(Burst):
    """A burst of which the system takes ten datagrams, then none, then all that are left."""

    calls = 0

    def send(
        self, opened: socket.socket, payload: bytes, addresses: Sequence[bytes], port: int
    ) -> int:
        self.calls += 1
        if self.calls == 2:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().send(opened, payload, addresses[: 10 if self.calls == 1 else None], port)


def without_bursts(udp: UdpSocket) -> None:
    udp._burst = None


def with_bursts(udp: UdpSocket) -> None:
    assert sendmmsg() is None or udp._burst


@pytest.mark.parametrize("chosen", [with_bursts, without_bursts])
async def test_of_many_each_gets_one_datagram_and_all_are_counted(
    chosen: Callable[[UdpSocket], None],
) -> None:
    numbers = list(range(number_of("127.70.0.250"), number_of("127.70.1.58")))
    assert len(numbers) == 64
    async with Crowd() as crowd:
        ceiling = Ceiling((ip_network("127.70.0.0/16"),), frozenset({crowd.port}))
        async with UdpSocket(ceiling, lambda *_: None) as udp:
            chosen(udp)
            left = numbers
            while left:
                left = left[udp.send_many(QUESTION, left, crowd.port) :]

    assert crowd.asked == dict.fromkeys(map(address_of, numbers), 1)
    assert udp.traffic.packets_out == 64
    assert udp.traffic.bytes_out == 64 * (len(QUESTION) + 28)


async def test_many_stop_at_the_one_that_the_ceiling_does_not_allow() -> None:
    """Wherever it stands in the row: its neighbours say nothing about it."""
    outside = number_of("127.71.0.0")
    for place in range(8):
        numbers = [number_of("127.70.0.1") + n for n in range(8)]
        numbers[place] = outside
        async with Crowd() as crowd:
            ceiling = Ceiling(
                (ip_network("127.70.0.0/24"), ip_network("127.72.0.0/24")), frozenset({crowd.port})
            )
            async with UdpSocket(ceiling, lambda *_: None) as udp:
                left = numbers
                with pytest.raises(OutsideCeilingError):
                    while left:
                        left = left[udp.send_many(QUESTION, left, crowd.port) :]

        assert left[0] == outside
        assert crowd.asked == dict.fromkeys(map(address_of, numbers[:place]), 1)


async def test_many_on_a_port_that_is_not_allowed_open_not_even_a_socket() -> None:
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        with pytest.raises(OutsideCeilingError):
            udp.send_many(QUESTION, [number_of("127.0.0.1"), number_of("127.0.0.2")], 9100)

        assert udp.receive_buffer_bytes == 0


async def test_of_many_those_that_a_full_send_buffer_did_not_take_are_not_counted() -> None:
    numbers = [number_of("127.70.0.1") + n for n in range(32)]
    async with Crowd() as crowd:
        ceiling = Ceiling((ip_network("127.70.0.0/24"),), frozenset({crowd.port}))
        async with UdpSocket(ceiling, lambda *_: None) as udp:
            udp._burst = FullBurst()
            assert udp.send_many(QUESTION, numbers, crowd.port) == 10
            assert udp.send_many(QUESTION, numbers[10:], crowd.port) == 0
            assert udp.traffic.packets_out == 10
            await asyncio.wait_for(udp.writable(), 5)
            assert udp.send_many(QUESTION, numbers[10:], crowd.port) == 22

    assert crowd.asked == dict.fromkeys(map(address_of, numbers), 1)


async def test_of_many_one_that_the_system_will_not_send_to_is_an_os_error() -> None:
    broadcast = Ceiling(networks=(ip_network("255.255.255.255/32"), *LOOPBACK.networks))
    async with UdpSocket(broadcast, lambda *_: None) as udp:
        numbers = [number_of("127.0.0.1"), number_of("255.255.255.255")]
        assert udp.send_many(QUESTION, numbers, 161) == 1
        with pytest.raises(OSError, match="Permission denied"):
            udp.send_many(QUESTION, [number_of("255.255.255.255")] * 2, 161)


async def test_a_broadcast_leaves_once_to_all_and_once_to_the_network_s_own_address() -> None:
    came: list[tuple[bytes, str]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("", 0))
        device.settimeout(5)
        port = device.getsockname()[1]
        ceiling = Ceiling(LOOPBACK.networks, frozenset({port}), broadcast=True)
        async with UdpSocket(ceiling, lambda *one: came.append((one[0], one[1]))) as udp:
            for _ in range(2):
                udp.broadcast(QUESTION, LO, port, interface="lo", source="127.0.0.1")
            asked = [device.recvfrom(2048) for _ in range(4)]
            device.sendto(b"answer", asked[0][1])
            await asyncio.sleep(0.05)

    assert {payload for payload, _ in asked} == {QUESTION}
    assert {source for _, (source, _) in asked} == {"127.0.0.1"}
    assert came == [(b"answer", "127.0.0.1")]
    assert (udp.traffic.packets_out, udp.traffic.bytes_out) == (4, 4 * (len(QUESTION) + 28))


@pytest.mark.parametrize(
    "refused",
    [
        Ceiling(LOOPBACK.networks),
        Ceiling((ip_network("127.0.0.0/9"),), broadcast=True),
        Ceiling(LOOPBACK.networks, frozenset({162}), broadcast=True),
    ],
)
async def test_a_broadcast_that_the_ceiling_does_not_allow_never_leaves(refused: Ceiling) -> None:
    async with UdpSocket(refused, lambda *_: None) as udp:
        with pytest.raises(OutsideCeilingError, match=r"^127\.0\.0\.0/8: "):
            udp.broadcast(QUESTION, LO, 161, interface="lo", source="127.0.0.1")

        assert udp.traffic.packets_out == 0
        assert udp.receive_buffer_bytes == 0


async def test_a_broadcast_at_an_interface_that_is_not_there_is_an_os_error() -> None:
    ceiling = Ceiling(LOOPBACK.networks, broadcast=True)
    async with UdpSocket(ceiling, lambda *_: None) as udp:
        with pytest.raises(OSError, match="No such device"):
            udp.broadcast(QUESTION, LO, 161, interface="gone0", source="127.0.0.1")


async def test_many_on_ipv6_leave_too() -> None:
    both = Ceiling(networks=(ip_network("::1/128"), *LOOPBACK.networks))
    async with UdpSocket(both, lambda *_: None) as udp:
        left = [number_of("127.0.0.1"), number_of("::1"), number_of("127.0.0.2")]
        while left:
            left = left[udp.send_many(QUESTION, left, 161) :]

        assert udp.traffic.bytes_out == 3 * len(QUESTION) + 28 + 48 + 28


async def test_many_on_ipv6_never_leave_as_ipv4() -> None:
    """Their last four octets are an IPv4 address, too."""
    ceiling = Ceiling(networks=(ip_network("fd00::/8"),))
    numbers = [number_of("fd00::127.0.0.1"), number_of("fd00::127.0.0.2")]
    async with UdpSocket(ceiling, lambda *_: None) as udp:
        with suppress(OSError):  # no route, on most machines
            udp.send_many(QUESTION, numbers, 161)

        assert list(udp._sockets) == [socket.AF_INET6]


async def test_what_a_full_receive_buffer_lost_is_counted_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receive_buffer, "RECEIVE_BUFFER_BYTES", 4096)
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        udp.send(QUESTION, "127.0.0.1", 162)
        at = udp._sockets[socket.AF_INET].getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(100):
                flood.sendto(bytes(200), ("127.0.0.1", at))
        await asyncio.sleep(0.05)
        came, lost = udp.traffic.packets_in, udp.dropped
        granted = udp.receive_buffer_bytes

    assert lost > 0
    assert came + lost == 100
    assert udp.dropped == lost
    [words] = remarks(granted, lost, is_fast=False)
    assert words.startswith(f"{lost} datagrams came while the receive buffer of {granted} bytes")


def test_a_receive_buffer_that_the_system_caps_is_told_where_much_comes_at_once() -> None:
    [words] = remarks(212_992, 0, is_fast=True)

    assert "212992 bytes" in words
    assert words.endswith("sysctl -w net.core.rmem_max=8388608")
    assert remarks(212_992, 0, is_fast=False) == []
    assert remarks(8 * 2**20, 0, is_fast=True) == []


async def test_ten_thousand_datagrams_in_one_go_leave_one_by_one() -> None:
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        for number in range(10_000):
            while not udp.send(QUESTION, f"127.66.{number >> 8}.{number & 255}", 162):
                await udp.writable()

        assert udp.traffic.packets_out == 10_000


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("FE80:0:0::1", "fe80::1"),
        ("fe80::1%lo", "fe80::1%lo"),
        ("fe80::1%1", "fe80::1%lo"),
        ("fe80::1%nowhere", "fe80::1%nowhere"),
        ("printer.example", "printer.example"),
    ],
)
def test_an_address_is_known_as_its_answers_will_name_it(written: str, source: str) -> None:
    assert canonical(written) == source


async def test_a_zone_that_is_no_interface_is_an_os_error() -> None:
    ceiling = Ceiling(networks=(ip_network("fe80::/10"),))
    async with UdpSocket(ceiling, lambda *_: None) as udp:
        with pytest.raises(OSError):
            udp.send(QUESTION, "fe80::1%nowhere", 161)


class Letter:
    """What became of one datagram."""

    def __init__(self) -> None:
        self.octets: list[int] = []
        self.errors: list[OSError] = []
        self.gone = asyncio.Event()

    def left(self, octets: int) -> None:
        self.octets.append(octets)
        self.gone.set()

    def refused(self, error: OSError) -> None:
        self.errors.append(error)


def without_post(udp: UdpSocket) -> None:
    udp._post = None


def with_post(udp: UdpSocket) -> None:
    assert sendmmsg() is None or udp._post


@pytest.mark.parametrize("chosen", [with_post, without_post])
async def test_of_those_posted_in_one_turn_each_gets_its_own(
    chosen: Callable[[UdpSocket], None],
) -> None:
    """Short and long ones, to more addresses than one call of the system takes."""
    payloads = {
        f"127.70.0.{n}": encode_request(V2C, b"public", GET, n, [SYS_DESCR] * (1 + n % 90))
        for n in range(1, 151)
    }
    payloads["127.70.0.99"] = encode_request(V2C, b"public", GET, 99, [SYS_DESCR] * 900)
    letters = {address: Letter() for address in payloads}
    async with Crowd() as crowd:
        ceiling = Ceiling((ip_network("127.70.0.0/16"),), frozenset({crowd.port}))
        async with UdpSocket(ceiling, lambda *_: None) as udp:
            chosen(udp)
            for address, payload in payloads.items():
                udp.post(payload, address, crowd.port, letters[address])
            assert udp.traffic.packets_out == 0
            await asyncio.sleep(0.05)

            assert udp.traffic.packets_out == 150
    assert crowd.last == payloads
    assert list(crowd.last) == list(payloads)
    for address, payload in payloads.items():
        assert letters[address].octets == [len(payload) + 28]
    assert udp.traffic.bytes_out == sum(len(payload) + 28 for payload in payloads.values())


class FullPost(Post):
    """A post of which the system takes ten datagrams, then none, then all that are left."""

    calls = 0

    def send(self, opened: socket.socket, datagrams: Sequence[tuple[bytes, str, int]]) -> int:
        self.calls += 1
        if self.calls == 2:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().send(opened, datagrams[: 10 if self.calls == 1 else None])


async def test_what_a_full_send_buffer_did_not_take_leaves_later_and_once() -> None:
    letters = [Letter() for _ in range(32)]
    async with Crowd() as crowd:
        ceiling = Ceiling((ip_network("127.70.0.0/24"),), frozenset({crowd.port}))
        async with UdpSocket(ceiling, lambda *_: None) as udp:
            udp._post = FullPost()
            for number, letter in enumerate(letters):
                udp.post(QUESTION, f"127.70.0.{number}", crowd.port, letter)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert udp.traffic.packets_out == 10
            letters.append(Letter())
            udp.post(QUESTION, "127.70.0.99", crowd.port, letters[-1])
            await asyncio.wait_for(letters[-1].gone.wait(), 5)
            assert udp.traffic.packets_out == 33

    assert set(crowd.asked.values()) == {1}
    assert len(crowd.asked) == 33
    assert all(letter.octets for letter in letters)


@pytest.mark.parametrize("chosen", [with_post, without_post])
async def test_of_those_posted_only_the_one_that_the_system_refuses_is_told(
    chosen: Callable[[UdpSocket], None],
) -> None:
    addresses = ["127.0.0.1", "255.255.255.255", "127.0.0.2", "::1", "127.0.0.3"]
    letters = [Letter() for _ in addresses]
    networks = (ip_network("255.255.255.255/32"), ip_network("::1/128"), *LOOPBACK.networks)
    async with UdpSocket(Ceiling(networks=networks), lambda *_: None) as udp:
        chosen(udp)
        for address, letter in zip(addresses, letters, strict=True):
            udp.post(QUESTION, address, 161, letter)
        await asyncio.sleep(0.05)

    octets = len(QUESTION) + 28
    left = [[octets], [], [octets], [octets + 20], [octets]]
    assert [letter.octets for letter in letters] == left
    assert [error.strerror for error in letters[1].errors] == ["Permission denied"]
    assert udp.traffic.packets_out == 4
    assert not any(letter.errors for letter in letters if letter is not letters[1])


async def test_nothing_is_posted_to_where_the_ceiling_does_not_allow() -> None:
    async with UdpSocket(LOOPBACK, lambda *_: None) as udp:
        with pytest.raises(OutsideCeilingError):
            udp.post(QUESTION, "127.0.0.1", 9100, Letter())
        await asyncio.sleep(0.01)

        assert udp.receive_buffer_bytes == 0


async def test_what_was_posted_does_not_leave_once_the_socket_is_closed() -> None:
    async with Crowd() as crowd:
        ceiling = Ceiling((ip_network("127.70.0.0/24"),), frozenset({crowd.port}))
        async with UdpSocket(ceiling, lambda *_: None) as udp:
            udp.post(QUESTION, "127.70.0.1", crowd.port, Letter())
        await asyncio.sleep(0.01)

    assert not crowd.asked
