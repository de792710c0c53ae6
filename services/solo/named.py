"""What a person at this box typed counts as named for the ceiling."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from services.solo.places import Places
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.ipp_uri import IppUriError, ipp_uri_of, is_ipp_uri
from shared.spans import Network
from shared.targets import Addresses, Broadcast, HostName, TypedTarget, as_addresses, parse_targets


class TypedWrongError(Exception):
    """Entries that are no targets, one a line."""


def ceiling_or_exit(places: Places, entries: Sequence[str]) -> Ceiling:
    """This box's ceiling with what was typed in it; what is wrong is told and ends with exit 2."""
    try:
        return naming(load_ceiling(places.agent / "ceiling.toml"), entries)
    except (TypedWrongError, CeilingFileError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def naming(ceiling: Ceiling, entries: Sequence[str]) -> Ceiling:
    """The ceiling with the typed targets in it; a name counts with the addresses it has now.

    Raises: TypedWrongError.
    """
    targets, faults = parse_targets(entry for entry in entries if not is_ipp_uri(entry))
    for entry in filter(is_ipp_uri, entries):
        try:
            uri = ipp_uri_of(entry)
        except IppUriError as error:
            faults.append(f"an IPP printer: {error}")
            continue
        ceiling = ceiling.naming_ipp(_networks_of(uri.host, entry), uri.port)
    if any(isinstance(target, Broadcast) for target in targets):
        faults.append("broadcast: chosen for a segment at the hub, or typed to pagetally sweep")
    if faults:
        raise TypedWrongError("\n".join(faults))
    for target in targets:
        port = target.port if isinstance(target, Addresses | HostName) else None
        ceiling = ceiling.naming(_networks(target), [port] if port else [])
    return ceiling


def _networks(target: TypedTarget) -> Iterable[Network]:
    """Raises: TypedWrongError."""
    if isinstance(target, HostName):
        return _networks_of(target.name, target.entry)
    return [network for one in as_addresses(target, {}) for network in one.networks()]


def _networks_of(host: str, entry: str) -> list[Network]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:  # the second of a label that is too long
        reason = error.strerror if isinstance(error, OSError) else "is no name"
        raise TypedWrongError(f"{entry}: {reason}") from None
    return [ip_network(str(address[0]).partition("%")[0]) for *_, address in found]
