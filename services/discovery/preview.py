"""What a search would send to one segment, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from services.discovery.plan import Limits, Plan, Resolved, Wish, make_plan
from services.discovery.sweep import Sweep
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.messages import Preview
from shared.spans import Network, common, size_of, span_of
from shared.targets import Addresses


def size_of_search(network: Network) -> int:
    """The addresses of a segment that a search asks, where nothing is refused or excluded."""
    return Addresses(str(network), span_of(network), is_network=True).size


def preview_of(
    network: Network,
    wish: Wish,
    *,
    resolved: Resolved,
    ceiling: Ceiling,
    credentials: Mapping[str, Credential],
    limits: Limits,
    rate: float,
    timeout_s: float,
) -> Preview:
    """What a search for `wish` with this segment would send to it, where nothing answers."""
    plan = make_plan(
        wish.model_copy(update={"segments": (str(network),)}),
        resolved=resolved,
        ceiling=ceiling,
        credentials=credentials,
        limits=limits,
    )
    plan = _within(plan, network)
    sweep = Sweep(plan, ceiling=ceiling, credentials=credentials, rate=rate, timeout_s=timeout_s)
    datagrams, octets = sweep.datagrams_at_most()
    passes = max((len(group.passes) for group in plan.groups), default=0)
    sent = (one.credential for group in plan.groups for one in group.passes)
    return Preview(
        addresses=plan.size,
        datagrams=datagrams,
        bytes=octets,
        seconds=math.ceil(datagrams / rate + passes * timeout_s),
        credentials=list(dict.fromkeys(sent))[:50],
    )


def _within(plan: Plan, network: Network) -> Plan:
    groups = (
        replace(group, spans=tuple(common(group.spans, [span_of(network)])))
        for group in plan.groups
    )
    return Plan(groups=tuple(group for group in groups if size_of(group.spans)))
