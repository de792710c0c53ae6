"""What a search would send to one segment, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from services.discovery.plan import Plan, Resolved, Wish
from services.discovery.sweep import Sweep
from shared.messages import Preview
from shared.spans import Network, Span, common, span_of
from shared.targets import Addresses, TargetError, as_addresses, parse_target

_ANYWHERE: Span = (0, 2**128)
_LARGEST_COUNT = 2**63 - 1


def size_of_search(network: Network) -> int:
    """The addresses of a segment that a search asks, where nothing is refused or excluded."""
    return Addresses(str(network), span_of(network), is_network=True).size


def places_of(wish: Wish, resolved: Resolved) -> Mapping[str, Span]:
    """Between which addresses each entry of a wish lies; what cannot be read may lie anywhere."""
    ranges = {one.range for one in wish.credentials} | {one.range for one in wish.rules}
    return {
        entry: _place(entry, resolved)
        for entry in {*wish.targets, *wish.site_targets, *wish.exclusions} | ranges
    }


def _place(entry: str, resolved: Resolved) -> Span:
    try:
        spans = [one.span for one in as_addresses(parse_target(entry), resolved)]
    except TargetError:
        return _ANYWHERE
    return (min(spans)[0], max(last for _, last in spans)) if spans else _ANYWHERE


def searching(network: Network, wish: Wish, places: Mapping[str, Span]) -> Wish:
    """A search of one segment, with what the wish says of it and little else: plans are quick."""
    begin, end = span_of(network)

    def is_near(entry: str) -> bool:
        first, last = places[entry]
        return first <= end and begin <= last

    return wish.model_copy(
        update={
            "kind": "search",
            "segments": (str(network),),
            "targets": tuple(filter(is_near, wish.targets)),
            "site_targets": tuple(filter(is_near, wish.site_targets)),
            "exclusions": tuple(filter(is_near, wish.exclusions)),
            "credentials": tuple(one for one in wish.credentials if is_near(one.range)),
            "rules": tuple(one for one in wish.rules if is_near(one.range)),
        }
    )


def preview_of(network: Network, plan: Plan, sweep_of: Callable[[Plan], Sweep]) -> Preview:
    """What the sweep of a plan sends to a segment where nothing answers."""
    span = span_of(network)
    groups = (replace(group, spans=tuple(common(group.spans, [span]))) for group in plan.groups)
    asks = (ask for ask in plan.broadcasts if common([span_of(ask.at.network)], [span]))
    within = Plan(tuple(group for group in groups if group.spans), broadcasts=tuple(asks))
    sweep = sweep_of(within)
    datagrams, octets = sweep.datagrams_at_most()
    sent = (name for group in within.groups for name in group.credentials)
    return Preview(
        addresses=within.size,
        datagrams=datagrams,
        bytes=octets,
        seconds=math.ceil(min(sweep.seconds_at_most(), _LARGEST_COUNT)),
        credentials=list(dict.fromkeys(sent))[:50],
    )
