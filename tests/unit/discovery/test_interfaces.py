"""The default gateway as the system tells it, and the networks of the box itself."""

from __future__ import annotations

import sys
from ipaddress import ip_network

from services.discovery.interfaces import gateway_in, ipv6_gateway_in, own_interfaces

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"


def number(address: str) -> str:
    """As /proc/net/route prints it: the octets in the machine's order."""
    octets = bytes(map(int, address.split(".")))
    return f"{int.from_bytes(octets, sys.byteorder):08X}"


def route(destination: str, gateway: str, mask: str, *, flags: int = 3, metric: int = 0) -> str:
    there, way = number(destination), number(gateway)
    return f"eth0\t{there}\t{way}\t{flags:04X}\t0\t0\t{metric}\t{number(mask)}\t0\t0\t0"


def test_the_cheapest_default_route_is_the_gateway() -> None:
    lines = [
        HEAD,
        route("0.0.0.0", "10.0.0.9", "0.0.0.0", metric=600),
        route("0.0.0.0", "10.0.0.1", "0.0.0.0", metric=100),
        route("10.0.0.0", "0.0.0.0", "255.255.255.0", flags=1),
        route("0.0.0.0", "10.0.0.2", "128.0.0.0"),
    ]

    assert gateway_in(lines) == "10.0.0.1"


def test_a_default_route_without_a_router_has_no_gateway() -> None:
    assert gateway_in([HEAD, route("0.0.0.0", "0.0.0.0", "0.0.0.0", flags=1)]) is None
    assert gateway_in([]) is None


def test_an_ipv6_gateway_of_a_link_has_its_zone() -> None:
    none, way = "0" * 32, "fe80" + "0" * 27 + "1"
    on_link = f"{none} 00 {none} 00 {none} 00000001 1 0 00000001 lo"
    lines = [on_link, f"{none} 00 {none} 00 {way} 00000400 00000003 00000000 00000003 eth0"]

    assert ipv6_gateway_in(lines) == "fe80::1%eth0"


def test_the_boxs_own_networks_have_their_interfaces() -> None:
    names = {one.network: one.interface for one in own_interfaces()}

    assert ip_network("127.0.0.0/8") in names
    assert all(names.values())
