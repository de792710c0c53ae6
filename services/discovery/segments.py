"""Networks in the tables by which a router tells what it knows; pure.

RFC 1213: ipAddrTable, ipRouteTable, ipNetToMediaTable. RFC 4292: ipCidrRouteTable,
inetCidrRouteTable. RFC 4293: ipAddressTable, ipAddressPrefixTable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from services.discovery.instances import (
    arcs_of,
    cidr_route_of,
    inet_route_of,
    ipv4_of,
    masked,
    prefix_of,
)
from shared.snmp.port import Varbind
from shared.spans import Network, Spans, number_of, span_of, without

IP = "1.3.6.1.2.1.4"
PREFIX_ROWS = f"{IP}.32.1."
NEIGHBOURS = f"{IP}.22.1.2"  # ipNetToMediaPhysAddress

_INVALID, _LOCAL, _BLACKHOLE = 2, 3, 5  # of the routes' types; 2 is "reject" in the newer tables
_WIDEST = 8  # bits of prefix: what is wider is a default route, or half of one
_PRIVATE = [
    ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]

Cells = Mapping[str, Varbind]  # instance -> varbind
Tables = Mapping[str, Cells]  # column OID -> cells


class Found(NamedTuple):
    network: Network
    table: str
    gateway: str | None = None  # the next hop; None: attached
    if_index: int | None = None


class Source(NamedTuple):
    """A table, what is asked of it, and who reads it.

    `before_ipv4` is what an instance has before an IPv4 destination; None where rows are not
    sorted by that.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Tables], Iterator[Found]]
    before_ipv4: str | None = None


def _ip_addr(tables: Tables) -> Iterator[Found]:
    index_column, mask_column = f"{IP}.20.1.2", f"{IP}.20.1.3"
    for instance, mask in tables.get(mask_column, {}).items():
        network = masked(instance, mask.value)
        if network:
            yield Found(network, "ipAddrTable", None, _integer(tables, index_column, instance))


def _ip_address(tables: Tables) -> Iterator[Found]:
    """Each row points at its prefix's, and to point there is to name the prefix."""
    for cell in tables.get(f"{IP}.34.1.5", {}).values():
        if isinstance(cell.value, str) and cell.value.startswith(PREFIX_ROWS):
            _, _, instance = cell.value.removeprefix(PREFIX_ROWS).partition(".")
            prefix = prefix_of(instance)
            if prefix:
                yield Found(prefix[1], "ipAddressTable", None, prefix[0])


def _ip_address_prefix(tables: Tables) -> Iterator[Found]:
    for instance in tables.get(f"{PREFIX_ROWS}5", {}):
        prefix = prefix_of(instance)
        if prefix:
            yield Found(prefix[1], "ipAddressPrefixTable", None, prefix[0])


def _inet_cidr(tables: Tables) -> Iterator[Found]:
    index_column, type_column = f"{IP}.24.7.1.7", f"{IP}.24.7.1.8"
    for instance in _instances(tables, (type_column, index_column)):
        destination = inet_route_of(instance)
        if destination:
            yield from _route(
                "inetCidrRouteTable",
                *destination,
                _integer(tables, type_column, instance),
                _integer(tables, index_column, instance),
            )


def _ip_cidr(tables: Tables) -> Iterator[Found]:
    index_column, type_column = f"{IP}.24.4.1.5", f"{IP}.24.4.1.6"
    for instance in _instances(tables, (type_column, index_column)):
        destination = cidr_route_of(instance)
        if destination:
            yield from _route(
                "ipCidrRouteTable",
                *destination,
                _integer(tables, type_column, instance),
                _integer(tables, index_column, instance),
            )


def _ip_route(tables: Tables) -> Iterator[Found]:
    hops = tables.get(f"{IP}.21.1.7", {})
    for instance, mask in tables.get(f"{IP}.21.1.11", {}).items():
        network = masked(instance, mask.value)
        hop = hops.get(instance)
        if network:
            yield from _route(
                "ipRouteTable",
                network,
                ipv4_of(hop.value) if hop else None,
                _integer(tables, f"{IP}.21.1.8", instance),
                _integer(tables, f"{IP}.21.1.2", instance),
            )


ADDRESSES = (
    Source("ipAddrTable", (f"{IP}.20.1.3", f"{IP}.20.1.2"), _ip_addr),
    Source("ipAddressTable", (f"{IP}.34.1.5",), _ip_address),
    Source("ipAddressPrefixTable", (f"{PREFIX_ROWS}5",), _ip_address_prefix),
)
ROUTES = (
    Source("inetCidrRouteTable", (f"{IP}.24.7.1.8", f"{IP}.24.7.1.7"), _inet_cidr, "1.4."),
    Source("ipCidrRouteTable", (f"{IP}.24.4.1.6", f"{IP}.24.4.1.5"), _ip_cidr, ""),
    Source("ipRouteTable", tuple(f"{IP}.21.1.{one}" for one in (11, 7, 8, 2)), _ip_route, ""),
)


def is_segment(network: Network) -> bool:
    """Neither a default route nor a single host or a link between two."""
    return network.prefixlen >= _WIDEST and network.num_addresses > 2


def is_listed(network: Network, allowed: Spans) -> bool:
    """Whether people may want to choose it: it is private, or the ceiling names all of it."""
    return is_segment(network) and (is_private(network) or not without([span_of(network)], allowed))


def is_private(network: Network) -> bool:
    span = span_of(network)
    return any(first <= span[0] and span[1] <= last for first, last in map(span_of, _PRIVATE))


def is_public(network: Network) -> bool:
    """Neither private nor of the kinds that are no network: loopback, link-local, multicast."""
    return is_segment(network) and not (
        is_private(network)
        or network.is_loopback
        or network.is_link_local
        or network.is_multicast
        or network.is_reserved
    )


def once_each(found: Iterable[Found]) -> list[Found]:
    """Each network once, by address: as attached where one says so, else as it came first."""
    kept: dict[Network, Found] = {}
    for one in found:
        known = kept.get(one.network)
        if known is None or (known.gateway and not one.gateway):
            kept[one.network] = one
    return sorted(kept.values(), key=lambda one: span_of(one.network))


def neighbours_in(tables: Tables) -> list[int]:
    """The addresses, as numbers, of which the ARP table (ipNetToMediaTable) knows the MAC."""
    found = []
    for instance, mac in tables.get(NEIGHBOURS, {}).items():
        arcs = arcs_of(instance)
        if len(arcs) == 5 and max(arcs[1:]) <= 255 and mac.value:
            found.append(number_of(".".join(map(str, arcs[1:]))))
    return found


def _route(
    table: str, network: Network, hop: str | None, kind: int | None, if_index: int | None
) -> Iterator[Found]:
    """A route that leads into its own network is an attached one, whatever its type says."""
    if kind in {_INVALID, _BLACKHOLE}:
        return
    is_attached = hop is None or kind == _LOCAL or ip_address(hop) in network
    yield Found(network, table, None if is_attached else hop, if_index)


def _instances(tables: Tables, columns: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(at for column in columns for at in tables.get(column, {}))


def _integer(tables: Tables, column: str, instance: str) -> int | None:
    cell = tables.get(column, {}).get(instance)
    return cell.value if cell and isinstance(cell.value, int) else None
