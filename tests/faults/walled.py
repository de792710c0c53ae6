"""A box in a network namespace of its own, and in another, behind one cable, all that it could
reach: every address there is answers SNMP. What the box sends is captured on all its interfaces.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from services.solo.simulator import SimulatedAgent
from tests.peers import missing

ROOT = Path(__file__).parents[2]
BOX, GATEWAY = "10.99.0.2", "10.99.0.1"
_LASTS_S = 120  # a namespace ends with its holder, which ends by itself
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_ETH_P_ALL, _ETH_P_IP, _ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD  # linux/if_ether.h
_PACKET_OUTGOING = 4  # linux/if_packet.h
_IP_PKTINFO = 8  # linux/in.h
_CAPTURE_BYTES = 32 * 2**20

# the box has one way out, for every address there is
_BOX_SIDE = f"""\
link set lo up
addr add {BOX}/30 dev box0
addr add fd00:99::2/126 dev box0 nodad
link set box0 up
route add default via {GATEWAY}
route add multicast 224.0.0.0/4 dev box0
-6 route add default via fd00:99::1
-6 neigh add fe80::7 lladdr 02:00:00:00:00:07 dev box0 nud permanent
"""
# and behind it every address is there
_OTHER_SIDE = f"""\
link set lo up
addr add {GATEWAY}/30 dev lan0
addr add fd00:99::1/126 dev lan0 nodad
link set lan0 up
route add local 0.0.0.0/0 dev lo table main
-6 route add local ::/0 dev lo table main
"""


@cache
def mounts() -> bool:
    """Whether a mount namespace can be made here; below a chroot it can not."""
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return tried.returncode == 0


class Packet(NamedTuple):
    """An IP packet that the box sent or received."""

    is_sent: bool
    protocol: int
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    source_port: int
    destination_port: int
    octets: int  # of UDP with the IP header: payload + 28, or 48 for IPv6


class Namespace:
    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self.pid = holder.pid
        # seen from here as the holder sees it: its network, and its /etc/hosts where it has one
        mount = ["--mount", f"--wd={ROOT}"] if mounts() else []
        self.within = ["nsenter", f"--target={self.pid}", "--net", *mount, "--"]

    def ip(self, lines: str) -> None:
        command = ["nsenter", f"--target={self.pid}", "--net", "--", "ip"]
        for line in filter(None, lines.splitlines()):
            done = subprocess.run(
                [*command, *line.split()], capture_output=True, text=True, timeout=10, check=False
            )
            assert done.returncode == 0, f"ip {line}: {done.stderr}"

    def socket(self, *kind: int) -> socket.socket:
        """A socket of this namespace, for this process to use."""

        def opened() -> socket.socket:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/proc/{self.pid}/ns/net").open(encoding="ascii") as namespace:
                if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.socket(*kind)

        with ThreadPoolExecutor(1) as thread:  # only that thread goes there, and it ends
            return thread.submit(opened).result()


class Devices:
    """Answers on UDP 161 of every address behind the cable."""

    def __init__(
        self,
        there: Namespace,
        agents: Mapping[str, SimulatedAgent],
        elsewhere: SimulatedAgent,
    ) -> None:
        """`elsewhere` answers at every address that has no agent of its own."""
        self._agents = agents
        self._elsewhere = elsewhere
        self._socket = there.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._socket.setblocking(False)
        self._socket.bind(("0.0.0.0", 161))

    @contextmanager
    def answering(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._answer)
        try:
            yield
        finally:
            loop.remove_reader(self._socket)
            self._socket.close()

    def _answer(self) -> None:
        datagram, [(_, _, to)], _, source = self._socket.recvmsg(65_535, 64)
        asked = str(IPv4Address(to[8:12]))  # in_pktinfo: interface, own address, destination
        answer = self._agents.get(asked, self._elsewhere).answer(datagram, source)
        if answer is not None:
            as_asked = struct.pack("=I4s4s", 0, IPv4Address(asked).packed, bytes(4))
            self._socket.sendmsg([answer], [(socket.IPPROTO_IP, _IP_PKTINFO, as_asked)], 0, source)


class Capture:
    """All that the box sends and receives, on all its interfaces, loopback too."""

    def __init__(self, box: Namespace) -> None:
        self._socket = box.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, _CAPTURE_BYTES)  # SO_RCVBUFFORCE
        self._socket.setblocking(False)

    def packets(self) -> list[Packet]:
        """Since the last call."""
        found: list[Packet] = []
        while True:
            try:
                octets, (interface, protocol, kind, *_) = self._socket.recvfrom(65_535)
            except BlockingIOError:
                return found
            is_sent = kind == _PACKET_OUTGOING
            # on loopback each packet is seen twice
            if protocol in (_ETH_P_IP, _ETH_P_IPV6) and (is_sent or interface != "lo"):
                found.append(_packet(octets, is_sent))

    def close(self) -> None:
        self._socket.close()


def _packet(octets: bytes, is_sent: bool) -> Packet:
    if octets[0] >> 4 == 4:
        header, at, protocol = 20, 4 * (octets[0] & 15), octets[9]
        source, destination = octets[12:16], octets[16:20]
    else:
        header, at, protocol = 40, 40, octets[6]
        source, destination = octets[8:24], octets[24:40]
    ports = (0, 0, 0)
    if protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        ports = struct.unpack_from("!HHH", octets, at)
    return Packet(
        is_sent,
        protocol,
        ip_address(source),
        ip_address(destination),
        ports[0],
        ports[1],
        header + ports[2],
    )


class Walled:
    """The box and what lies behind its cable."""

    def __init__(self, box: Namespace, there: Namespace) -> None:
        self.box = box
        self.there = there
        self.capture = Capture(box)

    @asynccontextmanager
    async def relayed(self, port: int) -> AsyncIterator[int]:
        """What listens on 127.0.0.1 of this machine, reached from the box at GATEWAY; the port."""

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while octets := await reader.read(65_536):
                writer.write(octets)
                await writer.drain()
            writer.close()

        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(
                copy(reader, to_writer), copy(to_reader, writer), return_exceptions=True
            )

        listening = self.there.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind((GATEWAY, 0))
        async with await asyncio.start_server(join, sock=listening):
            yield listening.getsockname()[1]


@contextmanager
def walled(hosts: Mapping[str, str], folder: Path) -> Iterator[Walled]:
    """Both namespaces while the block runs.

    Args:
        hosts: the names that the box knows, where `mounts()`.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        missing("root, with ip, unshare and nsenter")
    known = folder / "hosts"
    known.write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))
    with ExitStack() as stack:
        first = f"mount --bind {known} /etc/hosts" if mounts() else "true"
        box = Namespace(stack.enter_context(_holder(first)))
        there = Namespace(stack.enter_context(_holder("true")))
        box.ip(f"link add box0 type veth peer name lan0 netns {there.pid}")
        there.ip(_OTHER_SIDE)
        box.ip(_BOX_SIDE)
        made = Walled(box, there)
        stack.callback(made.capture.close)
        yield made


@contextmanager
def _holder(first: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in namespaces of its own, which end with it."""
    script = f"{first} && echo made && exec sleep {_LASTS_S}"
    holder = subprocess.Popen(
        ["unshare", "--net", *(["--mount"] if mounts() else []), "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert holder.stdout is not None and holder.stderr is not None
    try:
        if not holder.stdout.readline():
            missing(f"network namespaces ({holder.stderr.read().decode().strip()})")
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        holder.stderr.close()
