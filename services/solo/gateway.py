"""The demo's gateway: a router that tells by SNMP which networks it knows.

RFC 1213: ipAddrTable. RFC 4292: inetCidrRouteTable. RFC 2863: ifXTable.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import NamedTuple

from services.solo.simulator import SimulatedAgent
from shared.snmp.port import Value

ADDRESS = "127.20.0.30"
OFFICE = "127.20.0.0/27"  # in which the fleet is
BRANCH = "127.20.1.0/27"  # in which nothing answers
SERVERS = "10.99.0.0/24"  # which the demo's ceiling does not name

_SYSTEM = "1.3.6.1.2.1.1"
_IP = "1.3.6.1.2.1.4"
_IF_NAME = "1.3.6.1.2.1.31.1.1.1.1"
_FORWARDING = 1
_LOCAL, _REMOTE = 3, 4
_OFFICE_PORT, _UPLINK = 1, 2

_Rows = dict[str, tuple[str, Value | Callable[[], Value]]]


class _Route(NamedTuple):
    network: str
    hop: str | None  # None: attached
    interface: int


_ROUTES = (
    _Route("0.0.0.0/0", "127.20.0.29", _UPLINK),
    _Route(SERVERS, "127.20.0.29", _UPLINK),
    _Route(OFFICE, None, _OFFICE_PORT),
    _Route(BRANCH, "127.20.0.29", _UPLINK),
)


def gateway() -> SimulatedAgent:
    rows: _Rows = {
        f"{_SYSTEM}.1.0": ("OctetString", b"Example Router 4, routing software 7.1"),
        f"{_SYSTEM}.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.8072.3.2.10"),
        f"{_SYSTEM}.3.0": ("TimeTicks", 86_400_000),
        f"{_SYSTEM}.5.0": ("OctetString", b"gateway"),
        f"{_IP}.1.0": ("Integer32", _FORWARDING),
        f"{_IF_NAME}.{_OFFICE_PORT}": ("OctetString", b"ge-0/0/1 office"),
        f"{_IF_NAME}.{_UPLINK}": ("OctetString", b"ge-0/0/2 uplink"),
        f"{_IP}.20.1.1.{ADDRESS}": ("IpAddress", ADDRESS),
        f"{_IP}.20.1.2.{ADDRESS}": ("Integer32", _OFFICE_PORT),
        f"{_IP}.20.1.3.{ADDRESS}": ("IpAddress", str(ip_network(OFFICE).netmask)),
    }
    for route in _ROUTES:
        instance = _instance(IPv4Network(route.network), IPv4Address(route.hop or 0))
        rows[f"{_IP}.24.7.1.7.{instance}"] = ("Integer32", route.interface)
        kind = _REMOTE if route.hop else _LOCAL
        rows[f"{_IP}.24.7.1.8.{instance}"] = ("Integer32", kind)
    return SimulatedAgent(rows)


def _instance(network: IPv4Network, hop: IPv4Address) -> str:
    """Type and length before each address; the policy is 0.0, with its length."""
    return f"1.4.{network.network_address}.{network.prefixlen}.2.0.0.1.4.{hop}"
