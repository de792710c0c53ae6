"""What a person types as a target: an address, a name, a network, or a range of addresses.

Names are resolved by whoever asks, at every round; nothing here touches the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from shared.ipp_uri import is_ipp_uri
from shared.spans import Network, Span, is_ipv4, networks_of, number_of, span_of

MAX_IPV6_ADDRESSES = 1_024
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMERIC_END = re.compile(r"(?:^|\.)\d+\.?$")
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


TypedTarget = Addresses | HostName


def parse_target(entry: str) -> TypedTarget:
    """`10.0.0.7`, `10.0.0.7:1161`, `fd00::7`, `[fd00::7]:1161`, `printer.example`,
    `printer.example:1161`, `10.0.0.0/24`, or `10.0.0.5-10.0.3.20`.

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
        raise ValueError("searching by broadcast is not offered; name a network or a range instead")
    if is_ipp_uri(text):
        raise ValueError("a printer's URI is read and not searched; pagetally probe reads it now")
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
