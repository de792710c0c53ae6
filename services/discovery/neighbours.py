"""The box's own neighbours: what its kernel has learned of the segments it is attached to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from services.discovery.devices import Device
from services.discovery.plan import Known
from shared.identity import usable_mac
from shared.messages import SnmpTarget
from shared.spans import Spans, holds, number_of

_TABLE = Path("/proc/net/arp")
_MOST_LOOKED_FOR = 100
_COMPLETE = 0x2  # ATF_COM, linux/if_arp.h


def neighbours() -> Mapping[str, str]:
    """IPv4 address to MAC address; empty where there is no such table. Nothing is sent for it."""
    try:
        return neighbours_of(_TABLE.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return {}


def neighbours_of(table: str) -> Mapping[str, str]:
    """The rows of /proc/net/arp that are complete: address, type, flags, MAC, mask, device."""
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) == 6 and int(fields[2], 16) & _COMPLETE:
            mac = usable_mac(fields[3])
            if mac:
                found[fields[0]] = mac
    return found


def mac_at(address: str, known_here: Mapping[str, str]) -> str | None:
    """None too where the MAC address stands at others as well: a router's, which answers for them.

    Args:
        known_here: address to MAC address.
    """
    mac = known_here.get(address)
    return mac if list(known_here.values()).count(mac or "") == 1 else None


def moved_to(silent: Iterable[Device], known_here: Mapping[str, str], chosen: Spans) -> list[Known]:
    """Where the MAC addresses of silent devices are now, at most 100 places.

    One that is at several addresses is a router's, which answers for others.

    Args:
        known_here: address to MAC address.
        chosen: where devices may be looked for.
    """
    places: defaultdict[str, list[str]] = defaultdict(list)
    for address, known_mac in known_here.items():
        places[known_mac].append(address)
    found = []
    for one in silent:
        mac = one.traits.without(one.shared).mac
        if mac is None or not isinstance(one.target, SnmpTarget):
            continue
        others = [place for place in places[mac] if place != one.address]
        if len(others) == 1 and holds(chosen, number_of(others[0])):
            found.append(Known(others[0], one.target.port, one.credential, one.version))
    return found[:_MOST_LOOKED_FOR]
