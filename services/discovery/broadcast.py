"""Asking all in a network at once: where it may be done, and whose answers count.

Everybody in the network gets the question, so that nothing is told but `public`, or SNMPv3's
engine question, which holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from typing import NamedTuple

import ifaddr

from services.discovery.groups import V3, Group, Kind, Pass, groups_of
from services.discovery.ranges import Ranges
from shared.ceiling import Ceiling
from shared.scope import SegmentRule
from shared.snmp.wire import V2C
from shared.spans import Span, Spans, span_of, without
from shared.targets import Addresses

_SMALLEST = 30  # bits of prefix: in a smaller network nothing is saved
_NOTHING_TO_TELL = "none of its credentials is told to all; only public is, or SNMPv3's question"


class Attached(NamedTuple):
    """One network at one interface, and this box's address in it."""

    interface: str
    address: str
    network: IPv4Network


class BroadcastAsk(NamedTuple):
    """One question to all in a network.

    `groups` are those whose answers count; the first of a group's passes is the question.
    """

    at: Attached
    port: int
    version: int  # V2C as `public`, or V3
    groups: tuple[Group, ...]


def attached() -> Sequence[Attached]:
    """The IPv4 networks that this box could ask: no loopback, and none of a single cable."""
    found: dict[IPv4Network, Attached] = {}
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            if not one.is_IPv4:
                continue
            network = IPv4Network(f"{one.ip}/{one.network_prefix}", strict=False)
            if not network.is_loopback and network.prefixlen <= _SMALLEST:
                found.setdefault(network, Attached(adapter.nice_name, str(one.ip), network))
    return list(found.values())


class Broadcasts(NamedTuple):
    """How questions to all are planned; `passes_of` gives those of addresses, in order."""

    ceiling: Ceiling
    port: int
    excluded: Spans
    rules: Ranges[SegmentRule]
    passes_of: Callable[[Spans], Sequence[tuple[Spans, Sequence[Pass]]]]
    is_public: Callable[[str], bool]  # whether a credential of this name says no more

    def are_chosen(self, network: IPv4Network, chosen: Spans) -> bool:
        """Whether a person chose all of it, to be asked by broadcast."""
        hosts = _hosts(network)
        rules = [rule for _, rule in self.rules.of([hosts])]
        return not without([hosts], chosen) and all(rule.broadcast for rule in rules)

    def asked(self, at: Attached) -> list[BroadcastAsk] | str:
        """The questions; or why there are none."""
        refusal = self.ceiling.broadcast_refusal(at.network, self.port)
        if refusal:
            return refusal
        kinds: dict[int, dict[Kind, list[Span]]] = {V2C: {}, V3: {}}
        for part, passes in self.passes_of(without([_hosts(at.network)], self.excluded)):
            for version in kinds:
                question = next((one for one in passes if self._is_told(one, version)), None)
                if not question:
                    continue
                rest = [one for one in passes if one.credential != question.credential]
                for alike, rule in self.rules.of(part):
                    kind = Kind(self.port, (question, *rest), "broadcast", rule.manner)
                    kinds[version].setdefault(kind, []).extend(alike)
        asks = [
            BroadcastAsk(at, self.port, version, groups_of(alike))
            for version, alike in kinds.items()
            if alike
        ]
        return asks or _NOTHING_TO_TELL

    def _is_told(self, one: Pass, version: int) -> bool:
        return one.version == version and (version == V3 or self.is_public(one.credential))


def _hosts(network: IPv4Network) -> Span:
    return Addresses(str(network), span_of(network), is_network=True).hosts
