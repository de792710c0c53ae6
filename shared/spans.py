"""Sets of IP addresses as sorted, disjoint spans of numbers: a /8 costs as much as one address.

IPv4 lies where IPv6 maps it (::ffff:0:0/96, RFC 4291 section 2.5.5.2), so that one axis holds both
and an IPv4 address written as an IPv6 one is the same number.
"""

from __future__ import annotations

import socket
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Network = IPv4Network | IPv6Network
Span = tuple[int, int]  # first and last, both within
Spans = Sequence[Span]  # sorted and disjoint

_IPV4_AT = 0xFFFF << 32
IPV4: Span = (_IPV4_AT, _IPV4_AT + 2**32 - 1)


def number_of(address: str) -> int:
    """Raises: ValueError, for what is not an IP address in full, or has a zone."""
    try:
        if ":" in address:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
        return _IPV4_AT + int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    except (OSError, ValueError):
        raise ValueError(f"{address[:80]!r} is no IP address") from None


def is_ipv4(number: int) -> bool:
    return number >> 32 == 0xFFFF


def address_of(number: int) -> str:
    if is_ipv4(number):
        return socket.inet_ntoa((number & 0xFFFFFFFF).to_bytes(4, "big"))
    return str(IPv6Address(number))


def span_of(network: Network) -> Span:
    at = _IPV4_AT if network.version == 4 else 0
    return at + int(network.network_address), at + int(network.broadcast_address)


def span_text(span: Span) -> str:
    first, last = span
    return address_of(first) if first == last else f"{address_of(first)}-{address_of(last)}"


def networks_of(span: Span) -> Iterator[Network]:
    """The fewest networks that hold a span's addresses and no others."""
    first, last = span
    while first <= last:
        bits = min((first & -first).bit_length() - 1 if first else 128, _log2(last - first + 1))
        if is_ipv4(first):
            yield IPv4Network((IPv4Address(first & 0xFFFFFFFF), 32 - bits))
        else:
            yield IPv6Network((IPv6Address(first), 128 - bits))
        first += 1 << bits


def merged(spans: Iterable[Span]) -> list[Span]:
    """Any spans, as sorted and disjoint ones; neighbours become one."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def common(one: Spans, other: Spans) -> list[Span]:
    out: list[Span] = []
    i = j = 0
    while i < len(one) and j < len(other):
        first, last = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if first <= last:
            out.append((first, last))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return out


def without(spans: Spans, removed: Spans) -> list[Span]:
    out: list[Span] = []
    for first, last in spans:
        k = max(0, bisect_right(removed, (first, 1 << 128)) - 1)  # the first that may reach here
        if removed and removed[k][1] < first:
            k += 1
        while k < len(removed) and removed[k][0] <= last:
            if first < removed[k][0]:
                out.append((first, removed[k][0] - 1))
            first = removed[k][1] + 1  # noqa: PLW2901  (what is left of the span)
            k += 1
        if first <= last:
            out.append((first, last))
    return out


def holds(spans: Spans, number: int) -> bool:
    at = bisect_right(spans, (number, 1 << 128)) - 1
    return at >= 0 and number <= spans[at][1]


def size_of(spans: Iterable[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)


def addresses_of(spans: Iterable[Span]) -> Iterator[str]:
    """Each address as text, made as it is asked for."""
    for first, last in spans:
        for number in range(first, last + 1):
            yield address_of(number)


def _log2(count: int) -> int:
    return count.bit_length() - 1
