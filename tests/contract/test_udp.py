"""The socket that all SNMP leaves by: the ceiling, the counts, a full buffer, zones."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import ip_network
from typing import Any

import pytest

from services.solo.simulator import SimulatedAgent
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.snmp.udp import UdpSocket, canonical
from shared.snmp.wire import GET, V2C, decode, encode_request
from tests.peers.agent import Agents

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
QUESTION = encode_request(V2C, b"public", GET, 77, [SYS_DESCR])
LOOPBACK = Ceiling(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({161, 162}))


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
