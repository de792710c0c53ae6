"""What people type as targets, and what they are told where they mistyped."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spans import addresses_of, span_text
from shared.targets import (
    Addresses,
    HostName,
    TargetError,
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
        ("broadcast", "searching by broadcast is not offered"),
        ("a" * 300, "300 characters"),
        ("10.0.0.1\x00", "'10.0.0.1\\x00': "),
    ],
)
def test_a_typo_is_told_with_its_entry(entry: str, said: str) -> None:
    with pytest.raises(TargetError) as raised:
        parse_target(entry)

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


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
