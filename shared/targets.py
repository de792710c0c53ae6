"""What a person types as a target: an address, a name, a network, or ranges of either.

Names are resolved by whoever asks, at every round; nothing here touches the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import product
from math import prod

from shared.ipp_uri import is_ipp_uri
from shared.spans import Network, Span, is_ipv4, networks_of, number_of, span_of, span_text

MAX_IPV6_ADDRESSES = 1_024
MAX_PARTS = 1_024  # networks or ranges that one entry may mean
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMERIC_END = re.compile(r"(?:^|\.)\d+\.?$")
_NUMBER = r"(?:0|[1-9]\d{0,2})"
_OCTET = rf"(?:\*|{_NUMBER}(?:-{_NUMBER})?)"
_PATTERN = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/\d{{1,2}})?", re.ASCII)
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?", re.DOTALL)


class TargetError(ValueError):
    """An entry that is no target; the text begins with the entry and says what is wrong."""


@dataclass(frozen=True)
class Addresses:
    """One address, a network or a range. `port` is None where none was typed."""

    entry: str
    span: Span
    port: int | None = None
    is_network: bool = False

    @property
    def hosts(self) -> Span:
        """What is asked: without a network's own and its broadcast address (/31, /32: whole)."""
        first, last = self.span
        if not self.is_network or last - first < 2:
            return self.span
        return (first + 1, last - 1) if is_ipv4(first) else (first + 1, last)

    @property
    def size(self) -> int:
        first, last = self.hosts
        return last - first + 1

    def networks(self) -> list[Network]:
        return list(networks_of(self.span))


@dataclass(frozen=True)
class HostName:
    entry: str
    name: str
    port: int | None = None


@dataclass(frozen=True)
class Several:
    """Networks, ranges or addresses in one entry: `10.1-4.0.0/24`, `10.10.10-12.*`.

    Made as they are asked for: a list of such entries may mean millions.
    """

    entry: str
    octets: tuple[range, ...]  # four, each the values it may have
    prefix: int

    @property
    def count(self) -> int:
        """Of its parts."""
        lengths = [len(values) for values in self.octets]
        return prod(lengths[:3]) if self.prefix == 32 else prod(lengths)

    @property
    def parts(self) -> list[Addresses]:
        *begins, last = self.octets
        return [
            self._part(".".join(map(str, begin)), run)
            for begin in product(*begins)
            for run in ([last] if self.prefix == 32 else [range(at, at + 1) for at in last])
        ]

    @property
    def around(self) -> Addresses:
        """From its first address to its last, with what is between its parts."""
        first, last = (
            replace(self, octets=tuple(values[at : at + 1 or None] for values in self.octets))
            for at in (0, -1)
        )
        return Addresses(self.entry, (first.parts[0].span[0], last.parts[0].span[1]))

    def _part(self, begin: str, run: range) -> Addresses:
        first, last = number_of(f"{begin}.{run[0]}"), number_of(f"{begin}.{run[-1]}")
        if self.prefix == 32:
            return Addresses(span_text((first, last)), (first, last))
        span = first, first + 2 ** (32 - self.prefix) - 1
        return Addresses(f"{begin}.{run[0]}/{self.prefix}", span, is_network=True)


@dataclass(frozen=True)
class Broadcast:
    """The networks that whoever asks is attached to, asked by one question to all in each."""

    entry: str


TypedTarget = Addresses | Several | HostName | Broadcast


def parse_target(entry: str) -> TypedTarget:
    """`10.0.0.7`, `10.0.0.7:1161`, `fd00::7`, `[fd00::7]:1161`, `printer.example`,
    `printer.example:1161`, `10.0.0.0/24`, `10.0.0.5-10.0.3.20`, `10.1-4.0.0/24`, `10.10.10.*`,
    or `broadcast`.

    A `*` stands for 0-255; those at the end are one network, so that 10.10.10.* is 10.10.10.0/24.

    Raises: TargetError.
    """
    text = entry.strip()
    shown = text[:100] if text.isprintable() else repr(text[:100])
    try:
        return _parse(text)
    except ValueError as error:
        raise TargetError(f"{shown or '(empty)'}: {error}") from None


def parse_targets(entries: Iterable[str]) -> tuple[list[TypedTarget], list[str]]:
    """All that can be read, and one line for each entry that cannot."""
    read: list[TypedTarget] = []
    faults: list[str] = []
    for entry in entries:
        try:
            read.append(parse_target(entry))
        except TargetError as error:
            faults.append(str(error))
    return read, faults


def as_addresses(target: TypedTarget, resolved: Mapping[str, Sequence[str]]) -> list[Addresses]:
    """What a target stands for; none for a broadcast, and for a name that was not resolved."""
    if isinstance(target, HostName):
        return at_addresses(target, resolved.get(target.name, ()))
    if isinstance(target, Several):
        return target.parts
    return [target] if isinstance(target, Addresses) else []


def at_addresses(name: HostName, addresses: Iterable[str]) -> list[Addresses]:
    """A name as the addresses that it was resolved to."""
    numbers = [number_of(address) for address in addresses]
    return [Addresses(name.entry, (number, number), name.port) for number in numbers]


def _parse(text: str) -> TypedTarget:
    if not text:
        raise ValueError("nothing is written here")
    if len(text) > 255:
        raise ValueError(f"{len(text)} characters; a target has at most 255")
    if text.lower() == "broadcast":
        return Broadcast(text)
    if is_ipp_uri(text):
        raise ValueError("a printer's URI is read and not searched; pagetally probe reads it now")
    if _PATTERN.fullmatch(text) and ("*" in text or "-" in text):
        return _several(text)
    if "/" in text:
        return _network(text)
    try:
        return Addresses(text, (number_of(text),) * 2)
    except ValueError:
        pass
    first, dash, last = text.partition("-")
    if dash and (_is_address(first) or _is_address(last)):
        return _range(text, first.strip(), last.strip())
    return _with_port(text)


def _network(text: str) -> Addresses:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        address, _, bits = text.partition("/")
        if not _is_address(address):
            raise ValueError(f"{address!r} is no IP address") from None
        most = 128 if ":" in address else 32
        raise ValueError(f"a prefix is a number from 0 to {most}, not {bits!r}") from None
    if "%" in text:
        raise ValueError("an address with a zone cannot be asked")
    address = text.partition("/")[0]
    if number_of(address) != span_of(network)[0]:
        raise ValueError(f"{address} lies within a network; write {network}, or {address} alone")
    return _sized(Addresses(text, span_of(network), is_network=True))


def _range(text: str, first: str, last: str) -> Addresses:
    begin, end = number_of(first), number_of(last)
    if is_ipv4(begin) != is_ipv4(end):
        raise ValueError("a range begins and ends in the same IP version")
    if end < begin:
        raise ValueError(f"ends before it begins; did you mean {last}-{first}?")
    return _sized(Addresses(text, (begin, end)))


def _several(text: str) -> Addresses | Several:
    """Each octet a number, `A-B` or `*`."""
    pattern, slash, bits = text.partition("/")
    octets = pattern.split(".")
    stars = next((at for at, octet in enumerate(reversed(octets)) if octet != "*"), 4)
    if not slash:
        octets[4 - stars :] = ["0"] * stars
    prefix = int(bits) if slash else 32 - 8 * stars
    if prefix > 32:
        raise ValueError(f"a prefix is a number from 0 to 32, not {bits!r}")
    several = Several(text, tuple(map(_values, octets)), prefix)
    for at, values in enumerate(several.octets):
        step = 2 ** min(8, max(0, 8 * (at + 1) - prefix))
        misfit = next((value for value in values if value % step), None)
        if misfit is not None:
            begin = "0" if step == 256 else f"a multiple of {step}"
            raise ValueError(f"a network of /{prefix} has {begin} where {misfit} stands")
    if several.count > MAX_PARTS:
        raise ValueError(
            f"means {several.count} parts, and one entry may mean {MAX_PARTS}; write larger"
        )
    return replace(several.parts[0], entry=text) if several.count == 1 else several


def _values(octet: str) -> range:
    first, _, last = octet.replace("*", "0-255").partition("-")
    begin, end = int(first), int(last or first)
    if end > 255:
        raise ValueError(f"{octet!r} is beyond 255, the largest number of an IPv4 address")
    if end < begin:
        raise ValueError(f"{octet!r} ends before it begins; did you mean {last}-{first}?")
    return range(begin, end + 1)


def _sized(target: Addresses) -> Addresses:
    if not is_ipv4(target.span[0]) and target.size > MAX_IPV6_ADDRESSES:
        raise ValueError(
            f"{target.size} IPv6 addresses are too many to ask one by one "
            f"(at most {MAX_IPV6_ADDRESSES}); name the devices' addresses instead"
        )
    return target


def _with_port(text: str) -> TypedTarget:
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    number = None if port is None else _port(port)
    if _is_address(host):
        return Addresses(text, (number_of(host),) * 2, number)
    if bracketed or ":" in host:
        raise ValueError(f"{host!r} is no IP address")
    if _NUMERIC_END.search(host):
        raise ValueError(f"{host!r} is neither an IPv4 address (four numbers to 255) nor a name")
    if not _NAME.fullmatch(host):
        raise ValueError("neither an address, a name, a network (10.0.0.0/24) nor a range (A-B)")
    return HostName(text, host.rstrip("."), number)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= 65535):
        raise ValueError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _is_address(text: str) -> bool:
    try:
        number_of(text.strip())
    except ValueError:
        return False
    return True
