"""What a running process has open, as Linux' /proc tells it."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"  # TCP_LISTEN of linux/tcp_states.h


class Bound(NamedTuple):
    """A socket that something can be sent to: a TCP one that listens, or any UDP one."""

    kind: str  # tcp, tcp6, udp, udp6
    address: IPv4Address | IPv6Address
    port: int


def bound_by(pid: int) -> list[Bound]:
    own = _sockets_of(pid)
    found: list[Bound] = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            is_open = kind.startswith("udp") or columns[3] == _LISTEN
            if is_open and columns[9] in own:
                address, port = columns[1].split(":")
                found.append(Bound(kind, _address(address), int(port, 16)))
    return found


def children_of(pid: int) -> list[int]:
    """Processes that it started and that still run."""
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text(encoding="ascii").split()
    ]


def descendants_of(pid: int) -> list[int]:
    """Those, and the ones that they started."""
    children = children_of(pid)
    return children + [each for child in children for each in descendants_of(child)]


def ephemeral_ports() -> range:
    """Those that the system gives to clients."""
    file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first, last = map(int, file.read_text(encoding="ascii").split())
    return range(first, last + 1)


def _sockets_of(pid: int) -> set[str]:
    """Inode numbers."""
    found: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def _address(text: str) -> IPv4Address | IPv6Address:
    """Of 32-bit words in the host's order, each little endian."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return ip_address(b"".join(words))
