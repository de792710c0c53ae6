"""Networks and next hops in the instances of a router's tables; pure.

As agents have them, and not only as they should: without the length of an address, with masks as
octets or as integers.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from shared.snmp.port import Value
from shared.spans import Network

_OCTETS = {1: 4, 2: 16, 3: 8, 4: 20}  # InetAddressType, RFC 4001; of 3 and 4 the last 4 are a zone


def inet_route_of(instance: str) -> tuple[Network, str | None] | None:
    """Destination and next hop from an instance of inetCidrRouteTable.

    Type, length, octets; prefix length; the policy, an OID with its length; type, length, octets
    of the next hop. RFC 4292, inetCidrRouteEntry.
    """
    index = _Index(arcs_of(instance))
    try:
        destination = index.address()
        (bits,) = index.take(1)
        index.take(*index.take(1))  # the policy
        hop = index.address()
        if index.arcs or destination is None:
            return None
        return ip_network((destination, bits), strict=False), _hop(hop)
    except ValueError:
        return None


def cidr_route_of(instance: str) -> tuple[Network, str | None] | None:
    """Destination and next hop from an instance of ipCidrRouteTable.

    Destination, mask, TOS, next hop. RFC 4292, ipCidrRouteEntry.
    """
    arcs = arcs_of(instance)
    try:
        if len(arcs) != 13:
            return None
        bits = prefix_length(bytes(arcs[4:8]))
        if bits is None:
            return None
        network = ip_network((bytes(arcs[:4]), bits), strict=False)
        return network, _hop(IPv4Address(bytes(arcs[9:])))
    except ValueError:
        return None


def prefix_of(instance: str) -> tuple[int, Network] | None:
    """ifIndex and network from an instance of ipAddressPrefixTable.

    ifIndex, type, length, octets, prefix length: RFC 4293, ipAddressPrefixEntry. Some agents leave
    out the length, and some put the type first.
    """
    arcs = arcs_of(instance)
    if len(arcs) < 3:
        return None
    swapped = (arcs[1], arcs[0], *arcs[2:])
    for order, has_length in ((arcs, True), (arcs, False), (swapped, True)):
        index = _Index(order[1:])
        try:
            address = index.address(has_length=has_length)
            (bits,) = index.take(1)
            if address is not None and not index.arcs:
                return order[0], ip_network((address, bits), strict=False)
        except ValueError:
            continue
    return None


def prefix_length(mask: Value) -> int | None:
    """Of a netmask: text, four octets, or an integer in either order of octets.

    None for what is no netmask: its ones are not one row from the left.
    """
    if isinstance(mask, int):
        octets = (mask & 0xFFFFFFFF).to_bytes(4, "big")
        bits = _ones(octets)
        return _ones(octets[::-1]) if bits is None else bits
    address = ipv4_of(mask)
    return None if address is None else _ones(ip_address(address).packed)


def _ones(octets: bytes) -> int | None:
    number = int.from_bytes(octets, "big")
    bits = number.bit_count()
    return bits if number == (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF else None


def masked(address: str, mask: Value) -> Network | None:
    bits = prefix_length(mask)
    try:
        return None if bits is None else ip_network((IPv4Address(address), bits), strict=False)
    except ValueError:
        return None


def _hop(address: IPv4Address | IPv6Address | None) -> str | None:
    return str(address) if address and not address.is_unspecified else None


def ipv4_of(value: Value) -> str | None:
    try:
        if isinstance(value, bytes) and len(value) == 4:
            return str(IPv4Address(value))
        return str(IPv4Address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def arcs_of(instance: str) -> tuple[int, ...]:
    return tuple(map(int, instance.split(".")))


class _Index:
    """What is left of an instance. Raises: ValueError, where it is too short or no address."""

    def __init__(self, arcs: tuple[int, ...]) -> None:
        self.arcs = arcs

    def take(self, count: int) -> tuple[int, ...]:
        if count > len(self.arcs):
            raise ValueError("too short")
        taken, self.arcs = self.arcs[:count], self.arcs[count:]
        return taken

    def address(self, *, has_length: bool = True) -> IPv4Address | IPv6Address | None:
        """None for the address that is none: type unknown, without octets."""
        (kind,) = self.take(1)
        length = self.take(1)[0] if has_length else _OCTETS.get(kind, 0)
        if (kind, length) == (0, 0):
            return None
        if length != _OCTETS.get(kind):
            raise ValueError("no such address")
        octets = bytes(self.take(length))
        return IPv6Address(octets[:16]) if length >= 16 else IPv4Address(octets[:4])
