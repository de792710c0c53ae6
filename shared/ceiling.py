"""The site's ceiling: what may be touched at all, set by a local file that no hub can widen.

The sweep and the SNMP client check every datagram against it, the IPP client every connection.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

import ifaddr
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.quiet import QuietHours, quiet_hours_of
from shared.spans import Network, Span, common, holds, merged, number_of, span_of, without

# What a wide network in the file or a scope may mean without naming it: RFC 1918, RFC 4193
_PRIVATE = {
    4: merged(map(span_of, map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))),
    6: [span_of(ip_network("fc00::/7"))],
}
# Everything else must be named, kind by kind; what no row holds is public
_KINDS = [
    (span_of(ip_network(text)), kind)
    for text, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
]
_WIDEST_NAMED = 8  # bits of prefix: 0.0.0.0/1 names no public address
_Named = tuple[tuple[Network, ...], frozenset[int]]


class OutsideCeilingError(Exception):
    """An address or port that this site does not allow to be touched."""


class CeilingFileError(Exception):
    """The ceiling file cannot be read as one; the text names file and key."""


def _quiet(text: str) -> str:
    quiet_hours_of(text)
    return text


class CeilingFile(BaseModel):
    """What the file may say; TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    networks: list[str] | None = None  # None: the private networks that the box itself is in
    ports: list[Annotated[int, Field(ge=1, le=65535)]] = [161]
    ipp_ports: list[Annotated[int, Field(ge=1, le=65535)]] = [631]
    pace: float = Field(default=200.0, gt=0, le=1_000_000)  # sweep datagrams a second, at most
    broadcast: bool = False
    quiet_hours: list[Annotated[str, AfterValidator(_quiet)]] = []  # "22:00-05:00", local time
    spooler_hosts: list[str] = []
    withheld: list[str] = []  # fields of a read that never leave the site


@dataclass(frozen=True)
class Ceiling:
    """Networks and ports that may be touched, and how fast.

    Loopback, link-local, multicast, unspecified and public addresses are allowed only by a
    network that lies wholly within such space, so that 0.0.0.0/0 does not name them.
    """

    networks: tuple[Network, ...]
    ports: frozenset[int] = frozenset({161})
    ipp_ports: frozenset[int] = frozenset({631})  # TCP, of devices that were added as IPP
    pace: float = 200.0
    broadcast: bool = False
    quiet_hours: tuple[QuietHours, ...] = ()
    spooler_hosts: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    named: tuple[_Named, ...] = ()  # typed at the site
    named_ipp: tuple[_Named, ...] = ()
    protocol: Literal["UDP", "TCP"] = "UDP"  # that its ports are of

    def allowed_at(self, port: int) -> list[Span]:
        """The addresses that may be touched on a port."""
        if port not in self._allowed:
            places = ((self.networks, self.ports), *self.named)
            self._allowed[port] = merged(
                span
                for networks, ports in places
                if port in ports
                for network in networks
                for span in _allowed_by(network)
            )
        return self._allowed[port]

    @cached_property
    def _allowed(self) -> dict[int, list[Span]]:
        return {}

    def refusal(self, address: str, port: int) -> str | None:
        """Why nothing may be sent to `address` and `port`; None where it may.

        A zone (fe80::7%eth0) chooses the interface and changes nothing of this.
        """
        try:
            number = number_of(address.partition("%")[0] if ":" in address else address)
        except ValueError as error:
            return str(error)
        allowed = self.allowed_at(port)
        if holds(allowed, number):
            return None
        if not allowed:
            return f"{address}: this site does not allow {self.protocol} port {port}"
        kind = _kind(number)
        if kind:
            return f"{address}: a {kind} address must be named in this site's ceiling"
        return f"{address}: outside the networks that this site allows"

    def check(self, address: str, port: int) -> None:
        """Raises: OutsideCeilingError."""
        refusal = self.refusal(address, port)
        if refusal:
            raise OutsideCeilingError(refusal)

    def broadcast_refusal(self, network: Network, port: int) -> str | None:
        """Why no broadcast may be sent in `network`; None where it may.

        Whoever is in it gets the question, so that all of it must be allowed.
        """
        if not self.broadcast:
            return "this site's ceiling does not allow broadcast"
        if without([span_of(network)], self.allowed_at(port)):
            return f"a broadcast reaches all of {network}, and this site's ceiling allows less"
        return None

    def spooler_refusal(self, host: str, address: str | None = None) -> str | None:
        """Why a computer may not be asked for what its spooler lists; None where it may.

        Args:
            address: of `host`, once it is resolved. A name names private addresses, localhost the
                box itself; any other address must be named itself.
        """
        if host.lower() not in map(str.lower, self.spooler_hosts):
            return f"{host}: this site's ceiling does not name it in spooler_hosts"
        kind = _kind(number_of(address)) if address else None
        if kind is None or address == host or (host, kind) == ("localhost", "loopback"):
            return None
        return f"{host}: is at {address}; a {kind} address must be named itself in spooler_hosts"

    def naming(self, networks: Iterable[Network], ports: Iterable[int] = ()) -> Ceiling:
        """This ceiling with what a person typed at the site added to it.

        Args:
            ports: that those networks alone may be asked on; none: those of the ceiling.
        """
        place = (tuple(networks), frozenset(ports) or self.ports)
        return replace(self, named=(*self.named, place))

    def naming_ipp(self, networks: Iterable[Network], port: int) -> Ceiling:
        """This ceiling with an IPP printer that a person typed at the site added to it."""
        return replace(self, named_ipp=(*self.named_ipp, (tuple(networks), frozenset({port}))))

    @cached_property
    def of_ipp(self) -> Ceiling:
        """What may be connected to over TCP, for devices that were added as IPP."""
        return replace(self, ports=self.ipp_ports, named=self.named_ipp, protocol="TCP")


def _allowed_by(network: Network) -> list[Span]:
    span = span_of(network)
    private = common([span], _PRIVATE[network.version])
    kind = _kind(span[0])
    if kind is None or network.prefixlen < _WIDEST_NAMED or kind != _kind(span[1]):
        return private
    others = merged(other for other, other_kind in _KINDS if other_kind != kind)
    return merged([*private, *without([span], others)])


def _kind(number: int) -> str | None:
    """What an address is that must be named; None for a private one."""
    if holds(_PRIVATE[4], number) or holds(_PRIVATE[6], number):
        return None
    for (first, last), kind in _KINDS:
        if first <= number <= last:
            return kind
    return "public"


def own_networks() -> tuple[Network, ...]:
    """The private networks that this box has an address in."""
    networks: set[Network] = set()
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            text = address.ip[0] if address.is_IPv6 else address.ip
            network = ip_network(f"{text}/{address.network_prefix}", strict=False)
            if _kind(span_of(network)[0]) is None and _kind(span_of(network)[1]) is None:
                networks.add(network)
    return tuple(sorted(networks, key=str))


def load_ceiling(path: Path | None, named: Iterable[Network] = ()) -> Ceiling:
    """The ceiling that the file at `path` says, with what was typed at the site added.

    A path that is None or does not exist: the default, the box's own private networks.

    Raises: CeilingFileError.
    """
    said = CeilingFile() if path is None else _read(path)
    if said.networks is None:
        networks = own_networks()
    else:
        try:
            networks = tuple(ip_network(text) for text in said.networks)
        except ValueError as error:
            raise CeilingFileError(f"{path}: networks: {error}") from None
    return Ceiling(
        networks=(*networks, *named),
        ports=frozenset(said.ports),
        ipp_ports=frozenset(said.ipp_ports),
        pace=said.pace,
        broadcast=said.broadcast,
        quiet_hours=tuple(map(quiet_hours_of, said.quiet_hours)),
        spooler_hosts=tuple(said.spooler_hosts),
        withheld=tuple(said.withheld),
    )


def _read(path: Path) -> CeilingFile:
    try:
        return CeilingFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return CeilingFile()
    except OSError as error:
        raise CeilingFileError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CeilingFileError(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(step) for step in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = ", ".join(CeilingFile.model_fields)
            raise CeilingFileError(f"{path}: {key}: unknown key; known are {known}") from None
        raise CeilingFileError(
            f"{path}: {key}: {fault['msg'].removeprefix('Value error, ')}"
        ) from None
