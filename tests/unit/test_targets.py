"""What people type as targets, and what they are told where they mistyped."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spans import addresses_of, span_text
from shared.targets import (
    MAX_PARTS,
    Addresses,
    Broadcast,
    HostName,
    Several,
    TargetError,
    as_addresses,
    at_addresses,
    parse_target,
    parse_targets,
)


def asked(entry: str) -> list[str]:
    target = parse_target(entry)
    assert isinstance(target, Addresses)
    return list(addresses_of([target.hosts]))


@pytest.mark.parametrize(
    ("entry", "addresses"),
    [
        ("10.0.0.7", ["10.0.0.7"]),
        (" 10.0.0.7 ", ["10.0.0.7"]),
        ("fd00::7", ["fd00::7"]),
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.9/32", ["10.0.0.9"]),
        ("10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("fd00::a-fd00::b", ["fd00::a", "fd00::b"]),
        ("fd00::/126", ["fd00::1", "fd00::2", "fd00::3"]),
    ],
)
def test_addresses_networks_and_ranges_are_asked_whole(entry: str, addresses: list[str]) -> None:
    assert asked(entry) == addresses


def test_a_network_holds_its_own_and_broadcast_address_but_does_not_ask_them() -> None:
    target = parse_target("10.0.0.0/25")

    assert isinstance(target, Addresses)
    assert span_text(target.span) == "10.0.0.0-10.0.0.127"
    assert span_text(target.hosts) == "10.0.0.1-10.0.0.126"
    assert [str(network) for network in target.networks()] == ["10.0.0.0/25"]


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("10.0.0.7:1161", "10.0.0.7", 1161),
        ("[fd00::7]:1161", "fd00::7", 1161),
        ("[fd00::7]", "fd00::7", None),
    ],
)
def test_an_address_may_have_a_port(entry: str, host: str, port: int | None) -> None:
    target = parse_target(entry)

    assert isinstance(target, Addresses)
    assert (span_text(target.span), target.port) == (host, port)


@pytest.mark.parametrize(
    ("entry", "name", "port"),
    [
        ("printer7", "printer7", None),
        ("hp-3.example.com.", "hp-3.example.com", None),
        ("a-b", "a-b", None),
        ("printer7:1161", "printer7", 1161),
        ("3com", "3com", None),
    ],
)
def test_names_are_kept_to_be_resolved_later(entry: str, name: str, port: int | None) -> None:
    assert parse_target(entry) == HostName(entry, name, port)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("10.0.0.0/33", "10.0.0.0/33: a prefix is a number from 0 to 32, not '33'"),
        ("10.0.0.0/x", "10.0.0.0/x: a prefix is a number from 0 to 32, not 'x'"),
        ("10.0.0/24", "10.0.0/24: '10.0.0' is no IP address"),
        ("10.0.0.5/24", "10.0.0.5/24: 10.0.0.5 lies within a network; write 10.0.0.0/24"),
        ("10.0.0.9-10.0.0.5", "did you mean 10.0.0.5-10.0.0.9?"),
        ("10.0.0.9-fd00::1", "same IP version"),
        ("10.0.0.9-10.0.0", "'10.0.0' is no IP address"),
        ("10.0.0.256", "10.0.0.256: '10.0.0.256' is neither an IPv4 address"),
        ("10.0.0.7:0", "a port is a number from 1 to 65535, not '0'"),
        ("10.0.0.7:99999999999", "a port is a number"),
        ("10.0.0.7:", "a port is a number"),
        ("fd00::/48", "IPv6 addresses are too many"),
        ("fd00::/117", "2047 IPv6 addresses are too many"),
        ("[printer]:161", "'printer' is no IP address"),
        ("fe80::1%eth0", "is no"),
        ("fe80::%eth0/126", "zone"),
        ("prin ter", "neither an address, a name, a network"),
        ("=HYPERLINK(1)", "neither an address"),
        ("", "(empty): nothing is written here"),
        ("10.4-1.0.0/24", "'4-1' ends before it begins; did you mean 1-4?"),
        ("10.300-301.0.*", "'300-301' is beyond 255"),
        ("10.1-4.0.5/24", "a network of /24 has 0 where 5 stands"),
        ("10.0.0-3.0/23", "a network of /23 has a multiple of 2 where 1 stands"),
        ("10.1-4.0.0/33", "a prefix is a number from 0 to 32, not '33'"),
        ("10.*.*.7", "means 65536 parts, and one entry may mean 1024"),
        ("10.01-2.0.0/24", "is no IP address"),
        ("a" * 300, "300 characters"),
        ("10.0.0.1\x00", "'10.0.0.1\\x00': "),
    ],
)
def test_a_typo_is_told_with_its_entry(entry: str, said: str) -> None:
    with pytest.raises(TargetError) as raised:
        parse_target(entry)

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("10.1-3.0.0/24", ["10.1.0.1-10.1.0.254", "10.2.0.1-10.2.0.254", "10.3.0.1-10.3.0.254"]),
        ("10.10.4-5.*", ["10.10.4.1-10.10.4.254", "10.10.5.1-10.10.5.254"]),
        ("10.1-2.0.5-9", ["10.1.0.5-10.1.0.9", "10.2.0.5-10.2.0.9"]),
        ("10.1-2.0.7", ["10.1.0.7", "10.2.0.7"]),
    ],
)
def test_a_range_in_an_octet_means_several(entry: str, parts: list[str]) -> None:
    target = parse_target(entry)

    assert isinstance(target, Several)
    assert [span_text(part.hosts) for part in target.parts] == parts
    assert as_addresses(target, {}) == target.parts


@pytest.mark.parametrize(
    ("entry", "hosts"),
    [
        ("10.10.10.*", "10.10.10.1-10.10.10.254"),
        ("10.10.*.*", "10.10.0.1-10.10.255.254"),
        ("10.0.0.5-9", "10.0.0.5-10.0.0.9"),
    ],
)
def test_stars_at_the_end_are_one_network_and_a_range_there_is_one_range(
    entry: str, hosts: str
) -> None:
    target = parse_target(entry)

    assert isinstance(target, Addresses)
    assert (target.entry, span_text(target.hosts)) == (entry, hosts)


def test_broadcast_is_a_target_that_has_no_addresses_of_its_own() -> None:
    target = parse_target(" Broadcast ")

    assert target == Broadcast("Broadcast")
    assert as_addresses(target, {}) == []


def test_one_typo_loses_nothing_of_the_rest() -> None:
    read, faults = parse_targets(["10.0.0.1", "10.0.0.0/33", "printer7", "10.0.0.300"])

    assert [target.entry for target in read] == ["10.0.0.1", "printer7"]
    assert [fault.partition(":")[0] for fault in faults] == ["10.0.0.0/33", "10.0.0.300"]


def test_a_name_keeps_its_port_at_each_address_it_is_resolved_to() -> None:
    found = at_addresses(HostName("p:1161", "p", 1161), ["10.0.0.1", "fd00::1"])

    assert [(span_text(one.span), one.port) for one in found] == [
        ("10.0.0.1", 1161),
        ("fd00::1", 1161),
    ]


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_target_error(text: str) -> None:
    with contextlib.suppress(TargetError):
        parse_target(text)


@given(st.text(alphabet="0123456789.*-/", max_size=20))
def test_any_pattern_of_octets_is_a_bounded_target_or_a_target_error(text: str) -> None:
    with contextlib.suppress(TargetError):
        assert len(as_addresses(parse_target(text), {})) <= MAX_PARTS
