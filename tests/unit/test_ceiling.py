"""What may be touched: by default the box's own private networks, and nothing that is not named."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import ifaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ceiling import (
    Ceiling,
    CeilingFileError,
    OutsideCeilingError,
    load_ceiling,
    own_networks,
)
from shared.spans import (
    addresses_of,
    common,
    holds,
    merged,
    networks_of,
    number_of,
    span_of,
    without,
)


def ceiling(*networks: str) -> Ceiling:
    return Ceiling(tuple(ip_network(text) for text in networks))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "8.8.8.8", "169.254.1.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "0.1.2.3",
     "100.64.0.1", "::1", "fe80::1", "ff02::1", "::", "2001:4860:4860::8888", "::ffff:8.8.8.8"],
)  # fmt: skip
def test_a_network_of_everything_names_no_special_or_public_address(address: str) -> None:
    for networks in (("0.0.0.0/0", "::/0"), ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")):
        assert ceiling(*networks).refusal(address, 161)


@pytest.mark.parametrize("address", ["10.1.2.3", "172.31.0.1", "192.168.0.1", "fd00::1"])
def test_a_network_of_everything_means_the_private_ones(address: str) -> None:
    assert ceiling("0.0.0.0/0", "::/0").refusal(address, 161) is None


@pytest.mark.parametrize(
    ("network", "address"),
    [("127.0.0.0/8", "127.20.0.9"), ("8.8.8.0/24", "8.8.8.8"), ("169.254.0.0/16", "169.254.1.1"),
     ("::1/128", "::1"), ("2001:db8::/64", "2001:db8::7"), ("fe80::/64", "fe80::1"),
     ("fe80::/64", "fe80::1%eth0")],
)  # fmt: skip
def test_a_special_or_public_network_may_be_named(network: str, address: str) -> None:
    assert ceiling(network).refusal(address, 161) is None
    assert ceiling("10.0.0.0/8").naming([ip_network(network)]).refusal(address, 161) is None


def test_a_public_network_does_not_name_the_link_local_one_inside_it() -> None:
    named = ceiling("169.0.0.0/8")

    assert named.refusal("169.1.2.3", 161) is None
    assert named.refusal("169.254.2.3", 161)


def test_a_network_wider_than_a_8_names_no_public_address() -> None:
    assert ceiling("128.0.0.0/2").refusal("130.1.2.3", 161)
    assert ceiling("130.0.0.0/8").refusal("130.1.2.3", 161) is None


def test_an_ipv6_network_of_everything_allows_no_ipv4_address() -> None:
    assert ceiling("::/0").refusal("10.0.0.1", 161)


def test_an_ipv4_address_written_as_ipv6_is_judged_as_the_ipv4_one() -> None:
    assert ceiling("10.0.0.0/24").refusal("::ffff:10.0.1.1", 161)
    assert ceiling("10.0.0.0/24").refusal("::ffff:10.0.0.1", 161) is None


def test_only_the_ports_named_are_allowed() -> None:
    assert "UDP port 9100" in (ceiling("10.0.0.0/8").refusal("10.0.0.1", 9100) or "")
    with pytest.raises(OutsideCeilingError, match="UDP port 9100"):
        ceiling("10.0.0.0/8").check("10.0.0.1", 9100)


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "010.0.0.1", "printer", "10.0.0.1\x00", "10.0.0.1%lo"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert "no IP address" in (ceiling("0.0.0.0/0").refusal(text, 161) or "")


def test_without_a_file_the_box_reaches_only_its_own_private_networks(tmp_path: Path) -> None:
    found = load_ceiling(tmp_path / "ceiling.toml")

    assert found.networks == own_networks()
    assert found.ports == {161}
    assert found.refusal("127.0.0.1", 161)


def test_own_networks_are_the_private_ones_with_their_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = ifaddr.Adapter(
        "eth0",
        "eth0",
        [
            ifaddr.IP("10.3.4.5", 22, "eth0"),
            ifaddr.IP("127.0.0.1", 8, "lo"),
            ifaddr.IP("93.184.216.34", 24, "eth0"),
            ifaddr.IP(("fe80::1", 0, 2), 64, "eth0"),
            ifaddr.IP(("fd12::1", 0, 0), 64, "eth0"),
            ifaddr.IP("10.9.9.9", 0, "odd"),
        ],
    )
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [adapter])

    assert [str(network) for network in own_networks()] == ["10.3.4.0/22", "fd12::/64"]


def test_the_file_says_networks_ports_and_pace(tmp_path: Path) -> None:
    file = tmp_path / "ceiling.toml"
    file.write_text('networks = ["10.0.0.0/16"]\nports = [161, 1161]\npace = 50\n')

    found = load_ceiling(file, named=[ip_network("127.20.0.0/24")])

    assert found.refusal("10.0.9.9", 1161) is None
    assert found.refusal("127.20.0.5", 161) is None
    assert found.refusal("10.1.0.1", 161)
    assert found.pace == 50


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("networks = [", "not TOML"),
        ('networks = ["10.0.0.0/33"]', "networks: '10.0.0.0/33'"),
        ('networks = ["10.0.0.5/24"]', "host bits"),
        ("pace = 0", "pace: "),
        ("ports = [0]", "ports.0: "),
        ("netwroks = []", "netwroks: unknown key; known are networks, "),
    ],
)
def test_a_fault_in_the_file_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "ceiling.toml"
    file.write_text(text)

    with pytest.raises(CeilingFileError) as raised:
        load_ceiling(file)

    assert str(raised.value).startswith(str(file))
    assert said in str(raised.value)


def test_a_sweep_of_a_16_is_checked_in_a_moment() -> None:
    wide = ceiling(*(f"10.{n}.0.0/24" for n in range(0, 200, 2)), "10.250.0.0/16")
    addresses = list(addresses_of([span_of(ip_network("10.250.0.0/16"))]))

    began = time.process_time()
    assert not any(wide.refusal(address, 161) for address in addresses)
    assert time.process_time() - began < 1.0


_FIRST = number_of("10.0.0.0")
_spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10)).map(
        lambda pair: (_FIRST + pair[0], _FIRST + pair[0] + pair[1])
    ),
    max_size=8,
)


@given(_spans, _spans)
def test_spans_are_the_sets_that_they_stand_for(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    def numbers(spans: list[tuple[int, int]]) -> set[int]:
        return {number for first, last in spans for number in range(first, last + 1)}

    left, right = merged(one), merged(other)

    assert numbers(left) == numbers(one)
    assert numbers(common(left, right)) == numbers(one) & numbers(other)
    assert numbers(without(left, right)) == numbers(one) - numbers(other)
    assert {n for n in range(_FIRST - 2, _FIRST + 60) if holds(left, n)} == numbers(one)
    assert sorted(
        number_of(str(address))
        for span in left
        for network in networks_of(span)
        for address in network
    ) == sorted(numbers(one))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_and_its_number_are_the_same_address(address: object) -> None:
    [text] = addresses_of([(number_of(str(address)),) * 2])

    mapped = getattr(address, "ipv4_mapped", None)
    assert ip_address(text) == (mapped or address)


def test_a_typed_port_is_open_for_what_was_typed_with_it_alone() -> None:
    named = ceiling("10.0.0.0/8").naming([ip_network("10.0.0.7")], [1161])

    assert named.refusal("10.0.0.7", 1161) is None
    assert named.refusal("10.0.0.7", 161) is None
    assert named.refusal("10.0.0.8", 1161) == (
        "10.0.0.8: outside the networks that this site allows"
    )
    assert named.refusal("10.0.0.8", 161) is None


def test_ipp_has_ports_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ceiling.toml"
    path.write_text('networks = ["10.0.0.0/24"]\nipp_ports = [631, 60000]\n', encoding="utf-8")
    site = load_ceiling(path)

    assert site.of_ipp.refusal("10.0.0.7", 60000) is None
    assert site.of_ipp.refusal("10.0.0.7", 161) == "10.0.0.7: this site does not allow TCP port 161"
    assert site.refusal("10.0.0.7", 631) == "10.0.0.7: this site does not allow UDP port 631"
    assert site.of_ipp.refusal("10.0.1.7", 631)


def test_what_is_named_for_one_protocol_is_not_for_the_other() -> None:
    loopback = [ip_network("127.0.0.1/32")]
    site = ceiling("10.0.0.0/24").naming_ipp(loopback, 60000)

    assert site.of_ipp.refusal("127.0.0.1", 60000) is None
    assert site.of_ipp.refusal("127.0.0.1", 631)
    assert site.refusal("127.0.0.1", 60000)
    assert ceiling("10.0.0.0/24").naming(loopback, [161]).of_ipp.refusal("127.0.0.1", 161)
