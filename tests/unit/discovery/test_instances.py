"""What the instances of a router's tables say; and that no instance says what is not in it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.discovery.instances import (
    cidr_route_of,
    inet_route_of,
    masked,
    prefix_length,
    prefix_of,
)

ARCS = st.lists(
    st.one_of(st.integers(0, 33), st.integers(0, 255), st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=64,
)
V4 = st.builds(
    lambda number, bits: ip_network((number, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
V6 = st.builds(
    lambda number, bits: ip_network((number.to_bytes(16, "big"), bits), strict=False),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)
NETWORKS = st.one_of(V4, V6)


def dotted(*arcs: int) -> str:
    return ".".join(map(str, arcs))


def inet(network: IPv4Network | IPv6Network) -> tuple[int, ...]:
    octets = network.network_address.packed
    return (1 if len(octets) == 4 else 2, len(octets), *octets)


@pytest.mark.parametrize(
    ("instance", "network", "hop"),
    [
        ("1.4.10.1.2.0.24.3.0.0.65.1.4.0.0.0.0", "10.1.2.0/24", None),
        ("1.4.10.1.3.0.24.2.0.0.1.4.10.1.2.254", "10.1.3.0/24", "10.1.2.254"),
        ("1.4.10.1.3.0.24.1.7.0.0", "10.1.3.0/24", None),
        ("3.8.10.1.2.0.0.0.0.7.24.2.0.0.3.8.10.1.2.1.0.0.0.7", "10.1.2.0/24", "10.1.2.1"),
        ("1.4.10.1.2.9.24.2.0.0.1.4.0.0.0.0", "10.1.2.0/24", None),
    ],
    ids=["policy of three", "policy of two", "no next hop", "with a zone", "a host's address"],
)
def test_a_route_of_either_kind_of_policy_is_read(
    instance: str, network: str, hop: str | None
) -> None:
    assert inet_route_of(instance) == (ip_network(network), hop)


@given(NETWORKS, st.lists(st.integers(0, 2**32 - 1), max_size=6), V4)
def test_every_route_that_the_standard_allows_is_read(
    network: IPv4Network | IPv6Network, policy: list[int], hop: IPv4Network
) -> None:
    way = inet(IPv4Network(hop.network_address))
    instance = dotted(*inet(network), network.prefixlen, len(policy), *policy, *way)

    read = inet_route_of(instance)

    told = None if hop.network_address == IPv4Address(0) else str(hop.network_address)
    assert read == (network, told)


@given(V4, V4)
def test_every_route_of_the_older_table_is_read(network: IPv4Network, hop: IPv4Network) -> None:
    mask, address = network.netmask.packed, hop.network_address.packed

    read = cidr_route_of(dotted(*network.network_address.packed, *mask, 0, *address))

    assert read is not None
    assert read[0] == network


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        ("25.1.4.10.1.2.0.24", (25, "10.1.2.0/24")),
        ("25.1.10.1.2.0.24", (25, "10.1.2.0/24")),
        ("2.25.16.253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.64", (25, "fd00::/64")),
        ("7.2.253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.64", (7, "fd00::/64")),
    ],
    ids=["as it should be", "without the length", "type and ifIndex changed", "IPv6 without it"],
)
def test_a_prefix_is_read_however_its_agent_writes_it(instance: str, told: tuple[int, str]) -> None:
    assert prefix_of(instance) == (told[0], ip_network(told[1]))


@given(st.integers(0, 2**31 - 1), NETWORKS)
def test_every_prefix_that_the_standard_allows_is_read(
    index: int, network: IPv4Network | IPv6Network
) -> None:
    assert prefix_of(dotted(index, *inet(network), network.prefixlen)) == (index, network)


@pytest.mark.parametrize(
    ("mask", "bits"),
    [
        ("255.255.255.0", 24),
        (bytes([255, 255, 254, 0]), 23),
        (0xFFFFFF00, 24),
        (-256, 24),
        (16777215, 24),  # 255.255.255.0, its octets from the last to the first
        (3774873599, 27),
        (2, None),
        ("255.0.255.0", None),
        (b"255.255.255.0", None),
        (None, None),
        ("", None),
    ],
)
def test_a_mask_is_ones_in_one_row_or_it_is_none(
    mask: int | bytes | str | None, bits: int | None
) -> None:
    assert prefix_length(mask) == bits


@given(ARCS)
def test_no_instance_of_any_arcs_is_more_than_a_network(arcs: list[int]) -> None:
    instance = dotted(*arcs)

    for route in (inet_route_of(instance), cidr_route_of(instance)):
        assert route is None or route[0].network_address is not None
    prefix = prefix_of(instance)
    assert prefix is None or prefix[0] in arcs


ADDRESS_LIKE = st.text("0123456789.:/ x", max_size=20)


@given(ADDRESS_LIKE, st.one_of(st.none(), st.integers(), st.binary(max_size=9), ADDRESS_LIKE))
def test_no_address_and_mask_of_any_form_are_more_than_a_network(
    address: str, mask: int | bytes | str | None
) -> None:
    network = masked(address, mask)

    assert network is None or network.prefixlen == prefix_length(mask)
