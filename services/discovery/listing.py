"""The segments that people at the hub may choose from, and what of the scope the site refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

from services.discovery.broadcast import Attached, attached
from services.discovery.interfaces import default_gateway, own_interfaces
from services.discovery.learn import Gateway, LearnedNetwork, learn
from services.discovery.plan import Limits, Plan, Resolved, Wish, make_plan
from services.discovery.preview import places_of, preview_of, searching, size_of_search
from services.discovery.resolve import resolve
from services.discovery.rounds import naming_typed
from services.discovery.settings import NO_GATEWAY, DiscoverySettings
from services.discovery.sweep import Sweep
from services.discovery.wish import wish_of
from shared.ceiling import Ceiling
from shared.clock import utc_now
from shared.credentials import Credential
from shared.messages import NotReached, Segment, SegmentsListed
from shared.scope import Scope
from shared.spans import Network, Span, holds, number_of, span_of, span_text, without
from shared.targets import Addresses, TargetError, parse_target

_MOST_SEGMENTS = 1_000
_MOST_REFUSED = 200
_MOST_NAMED = 5  # in one sentence
_ANY_SIZE = 2**128
_LARGEST_COUNT = 2**63 - 1


@dataclass(frozen=True)
class Site:
    """What decides, at one instant, what a search would send."""

    wish: Wish
    resolved: Resolved
    ceiling: Ceiling
    credentials: Mapping[str, Credential]
    settings: DiscoverySettings

    @cached_property
    def places(self) -> Mapping[str, Span]:
        return places_of(self.wish, self.resolved)

    @cached_property
    def attached(self) -> Sequence[Attached]:
        return attached()

    def plan(self, wish: Wish, *, max_addresses: int | None = None) -> Plan:
        return make_plan(
            wish,
            resolved=self.resolved,
            ceiling=self.ceiling,
            credentials=self.credentials,
            limits=Limits(max_addresses or self.settings.max_addresses, self.settings.tries),
            attached=self.attached,
        )

    def sweep(self, plan: Plan) -> Sweep:
        return Sweep(
            plan,
            ceiling=self.ceiling,
            credentials=self.credentials,
            rate=min(self.settings.rate, self.ceiling.pace),
            timeout_s=self.settings.timeout_s,
        )


async def list_segments(
    scope: Scope,
    known: Sequence[str],
    *,
    settings: DiscoverySettings,
    ceiling: Ceiling,
    credentials: Callable[[], Mapping[str, Credential]],
) -> SegmentsListed:
    """The segments, and what of the scope would not be searched.

    Args:
        known: the addresses of the devices that are known.
        credentials: those of this site, by name, as they are now.

    Raises: CredentialError.
    """
    wish = wish_of("search", scope, settings)
    resolved = await resolve(wish.names())
    site = Site(wish, resolved, naming_typed(ceiling, wish, resolved), credentials(), settings)
    gateway = gateway_of(site)
    learned = await learn(
        gateway if isinstance(gateway, Gateway) else None,
        own_interfaces(),
        ceiling=site.ceiling,
        allowed=site.ceiling.allowed_at(settings.port),
        timeout_s=settings.timeout_s,
        tries=settings.tries,
    )
    notes = [gateway] if isinstance(gateway, str) else []
    segments = await segments_of(site, learned.networks[:_MOST_SEGMENTS], known)
    refused = refused_of(site)
    notes += [*learned.notes, *_left_out(learned.networks, refused), *unsent(segments)]
    return SegmentsListed(
        round=uuid4(),
        agent=settings.agent,
        listed_at=utc_now(),
        segments=segments,
        scope_version=scope.version or None,
        refused=refused[:_MOST_REFUSED],
        notes=[note[:1000] for note in notes[:50]],
        packets=learned.packets,
        bytes=learned.bytes,
    )


def gateway_of(site: Site) -> Gateway | str:
    """The router that may be asked, with the credentials set for its address; or why none is."""
    setting = site.settings.gateway
    if setting == NO_GATEWAY:
        return "no gateway was asked, as DISCOVERY_GATEWAY says; this box's own networks are listed"
    entry = setting or default_gateway()
    if entry is None:
        return (
            "this box has no default gateway, and its own networks are listed;"
            " a router that knows others may be named in DISCOVERY_GATEWAY"
        )
    try:
        target = parse_target(entry)
    except TargetError as error:
        return f"gateway {error}; another router may be named in DISCOVERY_GATEWAY"
    assert isinstance(target, Addresses)
    asked = site.wish.model_copy(update={"segments": (), "targets": (entry,)})
    passes, why = _passes(site, asked, target)
    if not passes and setting:
        asked = asked.model_copy(update={"site_targets": (entry,)})
        passes, _ = _passes(site, asked, target)
    if not passes:
        return (
            f"gateway {entry} was not asked: {why}. A site's people can let it be asked:"
            " networks in the ceiling, a credential for its address in the scope, or"
            " DISCOVERY_GATEWAY and DISCOVERY_CREDENTIALS"
        )
    port = target.port or site.settings.port
    return Gateway(span_text(target.span), port, {one: site.credentials[one] for one in passes})


async def segments_of(
    site: Site, networks: Iterable[LearnedNetwork], known: Sequence[str]
) -> list[Segment]:
    numbers = [number_of(address) for address in known]
    segments = []
    for one in networks:
        segments.append(_segment(site, one, numbers))
        await asyncio.sleep(0)  # a plan each, and others are waiting
    return segments


def refused_of(site: Site) -> list[NotReached]:
    """What of the scope a search would not reach, and why; what was typed here is none of it."""
    spoolers = [(one.host, site.ceiling.spooler_refusal(one.host)) for one in site.wish.spoolers]
    refused = [NotReached(target=host, reason=why) for host, why in spoolers if why]
    of_scope = site.wish.model_copy(update={"site_targets": ()})
    return [*site.plan(of_scope).not_reached, *refused]


def refusal_of(network: Network, site: Site) -> str | None:
    """Why a segment, or which part of it, cannot be searched at this site."""
    try:
        target = parse_target(str(network))
    except TargetError as error:
        return str(error).partition(": ")[2]
    assert isinstance(target, Addresses)
    port = site.settings.port
    outside = without([target.hosts], site.ceiling.allowed_at(port))
    if outside == [target.hosts]:
        what = f"it on UDP port {port}" if port not in site.ceiling.ports else "it"
        return f"this site's ceiling does not allow {what}"
    if outside:
        return f"this site's ceiling does not allow all of it: not {_some(outside)}"
    if target.size > site.settings.max_addresses:
        return (
            f"{target.size} addresses, and a round of this site asks at most"
            f" {site.settings.max_addresses}; choose parts of it"
        )
    return None


def unsent(segments: Iterable[Segment]) -> list[str]:
    """A note on the segments to which nothing would be sent, though the ceiling allows it."""
    silent = [one.network for one in segments if one.preview and not one.preview.addresses]
    if not silent:
        return []
    more = f" and {len(silent) - _MOST_NAMED} more" if len(silent) > _MOST_NAMED else ""
    return [
        f"nothing would be sent to {', '.join(silent[:_MOST_NAMED])}{more}: no credential of this"
        " site is set for them, and none is sent unasked; or all their addresses are excluded"
    ]


def _passes(site: Site, wish: Wish, target: Addresses) -> tuple[list[str], str]:
    """The credentials that would be sent to one address, or why none."""
    number = target.span[0]
    port = target.port or site.settings.port
    plan = site.plan(wish, max_addresses=_ANY_SIZE)
    group = plan.group_of(number, port)
    if group:
        return list(dict.fromkeys(one.credential for one in group.passes)), ""
    reasons = [one.reason for one in plan.not_reached if one.target == target.entry]
    refusal = site.ceiling.refusal(span_text(target.span), port)
    return [], refusal or "; ".join(reasons) or "the scope excludes it"


def _segment(site: Site, one: LearnedNetwork, known: Sequence[int]) -> Segment:
    refused = refusal_of(one.network, site)
    plan = site.plan(searching(one.network, site.wish, site.places))
    preview = preview_of(one.network, plan, site.sweep)
    size = size_of_search(one.network)
    return Segment(
        network=str(one.network),
        learned_from=one.learned_from,
        interface=one.interface,
        devices=sum(holds([span_of(one.network)], number) for number in known),
        size=size if size <= _LARGEST_COUNT else None,
        gateway=one.gateway,
        refused=refused,
        preview=preview if refused is None or preview.addresses else None,
        hosts=one.hosts,
    )


def _left_out(networks: Sequence[LearnedNetwork], refused: Sequence[NotReached]) -> list[str]:
    notes = []
    if len(networks) > _MOST_SEGMENTS:
        notes.append(f"{len(networks)} networks were learned; the first {_MOST_SEGMENTS} are here")
    if len(refused) > _MOST_REFUSED:
        notes.append(
            f"{len(refused)} parts of the scope are refused; the first {_MOST_REFUSED} are here"
        )
    return notes


def _some(spans: Sequence[Span]) -> str:
    named = ", ".join(map(span_text, spans[:_MOST_NAMED]))
    more = len(spans) - _MOST_NAMED
    return f"{named} and {more} more parts" if more > 0 else named
