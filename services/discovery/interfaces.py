"""The box's own networks, and its default gateway as the system has it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import NamedTuple

import ifaddr

from shared.spans import Network

_IPV4_ROUTES = Path("/proc/net/route")
_IPV6_ROUTES = Path("/proc/net/ipv6_route")
_GATEWAY = 0x2  # RTF_GATEWAY


class OwnNetwork(NamedTuple):
    network: Network
    interface: str


def own_interfaces() -> list[OwnNetwork]:
    """The networks that this box has an address in."""
    found: dict[Network, OwnNetwork] = {}
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            text = address.ip[0] if address.is_IPv6 else address.ip
            network = ip_network(f"{text}/{address.network_prefix}", strict=False)
            found.setdefault(network, OwnNetwork(network, adapter.nice_name))
    return list(found.values())


def default_gateway() -> str | None:
    """None where there is no default route, or the system does not tell it so (Linux does)."""
    return gateway_in(_lines(_IPV4_ROUTES)) or ipv6_gateway_in(_lines(_IPV6_ROUTES))


def gateway_in(lines: Iterable[str]) -> str | None:
    """The cheapest default route's, from /proc/net/route, its numbers as the machine orders octets.

    Iface Destination Gateway Flags RefCnt Use Metric Mask …
    """
    found: list[tuple[int, str]] = []
    for line in lines:
        fields = line.split()
        is_default = len(fields) >= 8 and (fields[1], fields[7]) == ("00000000",) * 2
        if is_default and int(fields[3], 16) & _GATEWAY:
            address = IPv4Address(int(fields[2], 16).to_bytes(4, sys.byteorder))
            found.append((int(fields[6]), str(address)))
    return min(found, default=(0, None))[1]


def ipv6_gateway_in(lines: Iterable[str]) -> str | None:
    """The cheapest default route's, from /proc/net/ipv6_route; one of a link has its zone.

    Destination, bits, source, bits, next hop, metric, references, use, flags, interface.
    """
    found: list[tuple[int, str]] = []
    for line in lines:
        fields = line.split()
        is_default = len(fields) >= 10 and (fields[0], fields[1]) == ("0" * 32, "00")
        if is_default and int(fields[8], 16) & _GATEWAY:
            address = IPv6Address(bytes.fromhex(fields[4]))
            zone = f"%{fields[9]}" if address.is_link_local else ""
            found.append((int(fields[5], 16), f"{address}{zone}"))
    return min(found, default=(0, None))[1]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
