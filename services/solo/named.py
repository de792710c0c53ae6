"""What a person at this box typed counts as named for the ceiling."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from services.solo.places import Places
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.spans import Network
from shared.targets import Addresses, HostName, TypedTarget, parse_targets


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
    targets, faults = parse_targets(entries)
    if faults:
        raise TypedWrongError("\n".join(faults))
    for target in targets:
        ceiling = ceiling.naming(_networks(target), [target.port] if target.port else [])
    return ceiling


def _networks(target: TypedTarget) -> Iterable[Network]:
    if isinstance(target, Addresses):
        return target.networks()
    assert isinstance(target, HostName)
    try:
        found = socket.getaddrinfo(target.name, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise TypedWrongError(f"{target.entry}: {error.strerror}") from None
    return [ip_network(str(address[0]).partition("%")[0]) for *_, address in found]
