"""Network namespaces: boxes of their own on one machine, what answers in them, what they send."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from services.solo.simulator import SimulatedAgent
from tests.peers import missing

ROOT = Path(__file__).parents[2]
_LASTS_S = 120  # a namespace ends with its holder, which ends by itself
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_ETH_P_ALL, _ETH_P_ARP = 0x0003, 0x0806  # linux/if_ether.h
_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD
_PACKET_OUTGOING = 4  # linux/if_packet.h
_IP_PKTINFO = 8  # linux/in.h
_CAPTURE_BYTES = 32 * 2**20
_TO_ALL = "255.255.255.255"


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
    octets: int  # of UDP, all fragments: payload + 28, or 48 for IPv6
    is_fragment: bool = False  # another than the first


class Namespace:
    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self.pid = holder.pid
        # seen from here as the holder sees it: its network, and its /etc/hosts where it has one
        mount = ["--mount", f"--wd={ROOT}"] if mounts() else []
        self.within = ["nsenter", f"--target={self.pid}", "--net", *mount, "--"]

    def ip(self, lines: str) -> None:
        for line in filter(None, lines.splitlines()):
            self.run("ip", *line.split())

    def run(self, *command: str) -> None:
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", "--", *command],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

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
    """Answers on UDP 161 of every address that is a namespace's own."""

    def __init__(
        self,
        there: Namespace,
        agents: Mapping[str, SimulatedAgent],
        elsewhere: SimulatedAgent | None = None,
    ) -> None:
        """`elsewhere` answers at every address that has no agent of its own."""
        self._agents = agents
        self._elsewhere = elsewhere or SimulatedAgent({}, silent=True)
        self._socket = there.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
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
        for address in self._agents if asked == _TO_ALL else (asked,):
            agent = self._agents.get(address, self._elsewhere)
            answer = agent.answer(datagram, source)
            if answer is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(agent.delay_s, self._send, answer, address, source)

    def _send(self, answer: bytes, address: str, to: tuple[str, int]) -> None:
        as_asked = struct.pack("=I4s4s", 0, IPv4Address(address).packed, bytes(4))
        if self._socket.fileno() >= 0:
            self._socket.sendmsg([answer], [(socket.IPPROTO_IP, _IP_PKTINFO, as_asked)], 0, to)


class Capture:
    """All that a namespace sends and receives, on all its interfaces, loopback too."""

    def __init__(self, box: Namespace) -> None:
        self._socket = box.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, _CAPTURE_BYTES)  # SO_RCVBUFFORCE
        self._socket.setblocking(False)
        self.arps = 0  # ARP frames that it sent

    def packets(self) -> list[Packet]:
        """Since the last call."""
        found: list[Packet] = []
        while True:
            try:
                octets, (interface, protocol, kind, *_) = self._socket.recvfrom(65_535)
            except BlockingIOError:
                return found
            is_sent = kind == _PACKET_OUTGOING
            self.arps += is_sent and protocol == _ETH_P_ARP
            # on loopback each packet is seen twice
            if protocol in (_ETH_P_IP, _ETH_P_IPV6) and (is_sent or interface != "lo"):
                found.append(_packet(octets, is_sent))

    def close(self) -> None:
        self._socket.close()


def _packet(octets: bytes, is_sent: bool) -> Packet:
    is_first = True
    if octets[0] >> 4 == 4:
        header, at, protocol = 20, 4 * (octets[0] & 15), octets[9]
        source, destination = octets[12:16], octets[16:20]
        is_first = not (octets[6] & 0x1F or octets[7])  # fragment offset, RFC 791 section 3.1
    else:
        header, at, protocol = 40, 40, octets[6]
        source, destination = octets[8:24], octets[24:40]
    ports = (0, 0, -header)
    if is_first and protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        ports = struct.unpack_from("!HHH", octets, at)
    return Packet(
        is_sent,
        protocol,
        ip_address(source),
        ip_address(destination),
        ports[0],
        ports[1],
        header + ports[2],
        not is_first,
    )


@contextmanager
def held(first: str = "true") -> Iterator[Namespace]:
    """A process in namespaces of its own, which end with it, once `first` was run there."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        missing("root, with ip, unshare and nsenter")
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
        yield Namespace(holder)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        holder.stderr.close()
