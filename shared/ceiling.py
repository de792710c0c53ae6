"""The site's ceiling: what may be touched at all, set by a local file that no hub can widen.

Both the sweep and the SNMP client check every datagram against it, at the socket.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import ifaddr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


class OutsideCeilingError(Exception):
    """An address or port that this site does not allow to be touched."""


class CeilingFileError(Exception):
    """The ceiling file cannot be read as one; the text names file and key."""


class CeilingFile(BaseModel):
    """What the file may say; TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: list[str] | None = None  # None: the private networks that the box itself is in
    ports: list[int] = [161]
    pace: float = Field(default=200.0, gt=0, le=1_000_000)  # sweep datagrams a second, at most
    broadcast: bool = False
    quiet_hours: list[str] = []  # "22:00-05:00", local time
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
    pace: float = 200.0
    broadcast: bool = False
    quiet_hours: tuple[str, ...] = ()
    spooler_hosts: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    def refusal(self, address: str, port: int) -> str | None:
        """Why a datagram to `address` and `port` may not leave; None where it may."""
        return _refusal(self, address, port)

    def check(self, address: str, port: int) -> None:
        """Raises: OutsideCeilingError."""
        refusal = self.refusal(address, port)
        if refusal:
            raise OutsideCeilingError(refusal)

    def naming(self, networks: Iterable[Network], ports: Iterable[int] = ()) -> Ceiling:
        """This ceiling with what a person typed at the site added to it."""
        return replace(
            self,
            networks=(*self.networks, *networks),
            ports=self.ports | frozenset(ports),
        )


@lru_cache(maxsize=70_000)
def _refusal(ceiling: Ceiling, address: str, port: int) -> str | None:
    try:
        ip = ip_address(address)
    except ValueError:
        return f"{address!r} is no IP address"
    if port not in ceiling.ports:
        return f"{ip}: this site does not allow UDP port {port}"
    special = _special(ip)
    for network in ceiling.networks:
        if ip.version != network.version or ip not in network:
            continue
        if special is None or _special_network(network):
            return None
    if special:
        return f"{ip}: a {special} address must be named in this site's ceiling"
    return f"{ip}: outside the networks that this site allows"


def _special(ip: IpAddress) -> str | None:
    if ip.is_unspecified:
        return "unspecified"
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast or ip == IPv4Address("255.255.255.255"):
        return "multicast or broadcast"
    if not ip.is_private:
        return "public"
    return None


def _special_network(network: Network) -> bool:
    """Whether the whole of a network is of one special kind (or public), and so was named."""
    first, last = _special(network.network_address), _special(network.broadcast_address)
    return first is not None and first == last and network.prefixlen >= 8


def own_networks() -> tuple[Network, ...]:
    """The private networks that this box has an address in, smallest 20 bits wide for IPv4."""
    networks: set[Network] = set()
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            text = address.ip[0] if address.is_IPv6 else address.ip
            network = ip_network(f"{text}/{address.network_prefix}", strict=False)
            if network.is_private and _special(network.network_address) is None:
                networks.add(network)
    return tuple(sorted(networks, key=str))


def load_ceiling(path: Path | None, named: Iterable[Network] = ()) -> Ceiling:
    """The ceiling that the file at `path` says, with what was typed at the site added.

    A path that is None or does not exist: the default, the box's own private networks.

    Raises: CeilingFileError.
    """
    said = CeilingFile()
    if path is not None and path.exists():
        try:
            said = CeilingFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CeilingFileError(f"{path}: not TOML: {error}") from None
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(step) for step in fault["loc"])
            raise CeilingFileError(f"{path}: {key}: {fault['msg']}") from None
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
        pace=said.pace,
        broadcast=said.broadcast,
        quiet_hours=tuple(said.quiet_hours),
        spooler_hosts=tuple(said.spooler_hosts),
        withheld=tuple(said.withheld),
    )
