"""What a round asks, with which credentials, and what it must not ask; decided before it begins."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from services.discovery.broadcast import Attached, BroadcastAsk, Broadcasts
from services.discovery.groups import V3 as V3
from services.discovery.groups import FoundBy as FoundBy
from services.discovery.groups import Group as Group
from services.discovery.groups import Kind, group_in, groups_of
from services.discovery.groups import Pass as Pass
from services.discovery.ranges import Ranges
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.ipp_uri import IppUriError, ipp_uri_of, ipp_uris, is_ipp_uri
from shared.message import Part
from shared.messages import IppTarget, NotReached
from shared.scope import CredentialRange, SegmentRule, Spooler
from shared.snmp.wire import V1, V2C
from shared.spans import (
    Span,
    Spans,
    common,
    holds,
    merged,
    number_of,
    size_of,
    span_of,
    span_text,
    without,
)
from shared.targets import (
    Addresses,
    Broadcast,
    HostName,
    Several,
    TypedTarget,
    as_addresses,
    parse_targets,
)

T = TypeVar("T")
SNMP_PORT = 161
_NO_BROADCAST_HERE = "a broadcast is asked where a segment's rule says so"
_NOT_ATTACHED = "this box is not attached to it, or not all of it is searched"
_MOST_PARTS = 20_000  # networks and ranges that one list of a scope may mean
_TOO_MANY_PARTS = f"beyond {_MOST_PARTS} networks and ranges in all"
_EXCLUDED_WHOLE = f"{_TOO_MANY_PARTS}; all between its first and last address is excluded"
_EXCLUSION = "exclusion "
_MOST_SPANS_NAMED = 200  # of one reason: a scope that is refused in ten thousand pieces


class Known(NamedTuple):
    """A device that answered in an earlier round, and to what."""

    address: str
    port: int
    credential: str
    version: int


@dataclass(frozen=True)
class Plan:
    groups: tuple[Group, ...]
    ipp: tuple[IppTarget, ...] = ()  # read without being asked first
    not_reached: tuple[NotReached, ...] = ()
    excluded: tuple[Span, ...] = ()  # by the scope, sorted and disjoint
    broadcasts: tuple[BroadcastAsk, ...] = ()

    @property
    def size(self) -> int:
        """Addresses that are asked."""
        return sum(size_of(group.spans) for group in self.groups)

    def group_of(self, number: int, port: int) -> Group | None:
        return group_in(self.groups, number, port)


class Wish(Part):
    """What one round shall ask, as typed: what the scope and the site say, and who is known.

    A search asks segments and targets; a read asks known devices, and of the targets those that
    are one address.
    """

    kind: Literal["search", "read"] = "search"
    segments: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    credentials: tuple[CredentialRange, ...] = ()
    site_targets: tuple[str, ...] = ()  # typed at the site, so the ceiling holds them
    site_credentials: tuple[str, ...] = ()  # for those, in order
    known: tuple[Known, ...] = ()
    rules: tuple[SegmentRule, ...] = ()
    spoolers: tuple[Spooler, ...] = ()
    silent_after: int = 3  # rounds, till a silent device is told
    broadcast: bool = False  # typed: in each network that this box is attached to
    port: int = SNMP_PORT  # where none was typed

    def names(self) -> set[str]:
        """The host names among it, to be resolved before `make_plan`."""
        typed = [*self.segments, *self.targets, *self.exclusions, *self.site_targets]
        ranges = [*(one.range for one in self.credentials), *(one.range for one in self.rules)]
        read, _ = parse_targets([*typed, *ranges])
        names = {target.name for target in read if isinstance(target, HostName)}
        return names | {uri.host for uri in ipp_uris(typed) if not uri.is_address}


@dataclass(frozen=True)
class Limits:
    max_addresses: int = 65_536
    tries: int = 3  # datagrams to a silent device that is known or named


Resolved = Mapping[str, Sequence[str]]  # a name's addresses; none: it cannot be resolved


def make_plan(
    wish: Wish,
    *,
    resolved: Resolved,
    ceiling: Ceiling,
    credentials: Mapping[str, Credential],
    limits: Limits,
    attached: Sequence[Attached] = (),
) -> Plan:
    """Each address once: as a known device, else as a single target, else in a segment.

    `attached` are the networks that this box could ask by broadcast.
    """
    return _Planner(wish, resolved, ceiling, credentials, limits, attached).plan()


@dataclass
class _Planner:
    wish: Wish
    resolved: Resolved
    ceiling: Ceiling
    credentials: Mapping[str, Credential]
    limits: Limits
    attached: Sequence[Attached]
    not_reached: dict[tuple[str, str], NotReached] = field(default_factory=dict)
    taken: dict[int, list[Span]] = field(default_factory=dict)  # by port
    groups: dict[Kind, list[Span]] = field(default_factory=dict)
    size: int = 0

    def plan(self) -> Plan:
        wish = self.wish
        excluded = self._read(self._hosts(wish.exclusions), _EXCLUSION)
        self.excluded = merged(one.span for one in excluded)
        site_targets = self._read(wish.site_targets)
        self.names = self._names(site_targets)
        self.ruled = self._said([(rule.range, rule) for rule in wish.rules], "rule of ")
        self.rules = Ranges(self.ruled, SegmentRule(range=""))
        targets = [*site_targets, *self._read(wish.targets)]
        if wish.kind == "read":
            for known in wish.known:
                at = number_of(known.address)
                self._take(Addresses(known.address, (at, at), known.port), "known", known)
            targets = [target for target in targets if target.size == 1]
        for target in targets:
            self._take(target, "named")
        segments = self._read(wish.segments) if wish.kind == "search" else []
        for target in segments:
            self._take(target, "sweep")
        broadcasts = tuple(self._broadcasts(segments))
        return Plan(
            groups=groups_of(self.groups),
            ipp=self._ipp([*wish.site_targets, *wish.targets]),
            not_reached=tuple(self.not_reached.values()),
            broadcasts=broadcasts,
            excluded=tuple(self.excluded),
        )

    def _ipp(self, entries: Iterable[str]) -> tuple[IppTarget, ...]:
        """The printers that are read by IPP; one with an excluded address is not."""
        found: dict[str, IppTarget] = {}
        for entry in filter(is_ipp_uri, entries):
            try:
                uri = ipp_uri_of(entry)
            except IppUriError as error:
                self._miss("an IPP printer", str(error))
                continue
            addresses = [uri.host] if uri.is_address else self.resolved.get(uri.host, ())
            wanted = [one for one in addresses if not holds(self.excluded, number_of(one))]
            refused = [self.ceiling.of_ipp.refusal(one, uri.port) for one in wanted]
            if not addresses:
                self._miss(str(uri), "the name cannot be resolved at this site")
            elif wanted and all(refused):
                self._miss(str(uri), "outside what this site's ceiling allows")
            elif len(wanted) == len(addresses):
                found[str(uri)] = IppTarget(ipp=str(uri))
        return tuple(found.values())

    def _hosts(self, exclusions: Iterable[str]) -> Iterator[str]:
        """A printer that is excluded by its URI is not touched at all."""
        for entry in exclusions:
            try:
                yield ipp_uri_of(entry).host if is_ipp_uri(entry) else entry
            except IppUriError as error:
                self._miss("the exclusion of an IPP printer", str(error))

    def _read(
        self, entries: Iterable[str], what: str = "", room: int = _MOST_PARTS
    ) -> list[Addresses]:
        """Entries as addresses; what cannot be read or resolved is named as not reached."""
        read, faults = parse_targets(one for one in entries if not is_ipp_uri(one))
        for fault in faults:
            entry, _, reason = fault.partition(": ")
            self._miss(what + entry, reason)
        found: list[Addresses] = []
        for target in read:
            if isinstance(target, Several) and len(found) + target.count > room:
                if what == _EXCLUSION:
                    found.append(target.around)
                too_many = _EXCLUDED_WHOLE if what == _EXCLUSION else _TOO_MANY_PARTS
                self._miss(what + target.entry, too_many)
            else:
                found.extend(self._addresses(target, what))
        return found

    def _addresses(self, target: TypedTarget, what: str) -> list[Addresses]:
        found = as_addresses(target, self.resolved)
        if isinstance(target, HostName):
            if not found:
                self._miss(what + target.entry, "the name cannot be resolved at this site")
            return found if what else found[:1]
        if isinstance(target, Broadcast):
            self._miss(what + target.entry, _NO_BROADCAST_HERE)
        return found

    def _names(self, site_targets: Sequence[Addresses]) -> Ranges[tuple[str, ...]]:
        """Credentials' names: what was typed at the site has the site's."""
        said = [(one.range, tuple(one.credentials)) for one in self.wish.credentials]
        ranges = self._said(said, "credentials of ")
        typed = [(target.span, self.wish.site_credentials) for target in site_targets]
        return Ranges([*typed, *ranges], ())

    def _said(self, said: Iterable[tuple[str, T]], what: str) -> list[tuple[Span, T]]:
        """Of a scope's ranges the smallest first."""
        ranges: list[tuple[Span, T]] = []
        for entry, words in said:
            parts = self._read([entry], what, _MOST_PARTS - len(ranges))
            ranges.extend((part.span, words) for part in parts)
        return sorted(ranges, key=lambda one: one[0][1] - one[0][0])

    def _take(self, target: Addresses, found_by: FoundBy, known: Known | None = None) -> None:
        port = target.port or self.wish.port
        taken = self.taken.setdefault(port, [])
        wanted = without(without([target.hosts], self.excluded), taken)
        spans = self._within_ceiling(target, wanted, port)
        count = size_of(spans)
        if self.size + count > self.limits.max_addresses:
            self._miss(
                target.entry,
                f"{count} addresses; with them the round would ask {self.size + count}, "
                f"and at most {self.limits.max_addresses} are allowed",
            )
            return
        for part, names in self.names.of(spans):
            if not self._passes_set(names):
                self._miss_spans(target, part, self._why_unasked(names))
                continue
            self.size += size_of(part)
            for alike, rule in self.rules.of(part):
                passes = self._passes(names, found_by, known, rule.manner.tries)
                is_one = found_by == "known" or (found_by == "named" and target.size == 1)
                asks_engine = is_one and all(one.version != V3 for one in passes)
                kind = Kind(port, passes, found_by, rule.manner, asks_engine)
                self.groups.setdefault(kind, []).extend(alike)
        for span in spans:
            insort(taken, span)

    def _broadcasts(self, segments: Iterable[Addresses]) -> Iterator[BroadcastAsk]:
        """In the networks that were chosen for it, and that this box is attached to."""
        planned = Broadcasts(
            self.ceiling,
            self.wish.port,
            self.excluded,
            self.rules,
            lambda spans: [(part, self._passes_set(names)) for part, names in self.names.of(spans)],
            lambda name: self.credentials[name].community == PUBLIC.community,
        )
        chosen = merged(one.span for one in segments)
        asked: list[Span] = []
        for at in self.attached:
            if self.wish.broadcast or planned.are_chosen(at.network, chosen):
                asked.append(span_of(at.network))
                asks = planned.asked(at)
                if isinstance(asks, str):
                    self._miss(f"broadcast in {at.network}", asks)
                else:
                    yield from asks
        if self.wish.broadcast and not asked:
            self._miss("broadcast", "this box is attached to no IPv4 network")
        if self.wish.kind == "search":
            used = {rule.range for span, rule in self.ruled if common([span], merged(asked))}
            for rule in self.wish.rules:
                if rule.broadcast and rule.range not in used:
                    self._miss(f"broadcast in {rule.range}", _NOT_ATTACHED)

    def _within_ceiling(self, target: Addresses, wanted: Spans, port: int) -> Spans:
        allowed = self.ceiling.allowed_at(port)
        if wanted and not allowed and port not in self.ceiling.ports:
            self._miss(target.entry, f"this site's ceiling does not allow UDP port {port}")
            return []
        self._miss_spans(
            target, without(wanted, allowed), "outside what this site's ceiling allows"
        )
        return common(wanted, allowed)

    def _passes_set(self, names: Sequence[str]) -> list[Pass]:
        return [one for name in names for one in self._passes_of(name)]

    def _passes(
        self, names: Sequence[str], found_by: FoundBy, known: Known | None, tries: int | None
    ) -> tuple[Pass, ...]:
        """In order: what a known device answered to, then what each credential speaks.

        What one datagram alone would ask for is asked twice, as one in twenty may be lost; v1 after
        v2c is that already.
        """
        passes = self._passes_set(names)
        tries = tries or self.limits.tries
        engine = [one for one in passes if one.version == V3]
        if len(engine) == 1:  # each v3 credential has the same question
            passes += engine
        elif len(passes) == 1:
            passes *= 2
        remembered = known and Pass(known.credential, known.version)
        if remembered in passes:
            others = [one for one in passes if one != remembered]
            passes = [remembered] * tries + others
        elif passes and found_by != "sweep":
            passes += passes[:1] * (tries - len(passes))
        return tuple(passes)

    def _passes_of(self, name: str) -> list[Pass]:
        credential = self.credentials.get(name)
        if credential is None:
            self._miss(f"credential {name}", "is not set at this site; pagetally credential add")
            return []
        if credential.version == "windows":
            self._miss(f"credential {name}", "is a Windows account, which no device is asked with")
            return []
        versions = {"1": (V1,), "2c": (V2C, V1), "3": (V3,)}[credential.version]
        return [Pass(name, version) for version in versions]

    def _why_unasked(self, names: Sequence[str]) -> str:
        if names:
            known = self.credentials.keys() & set(names)
            told = "is one to search with" if known else "is set at this site"
            return f"none of its credentials ({', '.join(names)}) {told}"
        return "no credential is set for this range, and none is sent unasked"

    def _miss_spans(self, target: Addresses, spans: Spans, reason: str) -> None:
        if not spans:
            return
        if size_of(spans) == size_of([target.hosts]):
            self._miss(target.entry, reason)
            return
        for span in spans[:_MOST_SPANS_NAMED]:
            self._miss(span_text(span), f"{reason} (of {target.entry})")
        if len(spans) > _MOST_SPANS_NAMED:
            self._miss(target.entry, f"{len(spans) - _MOST_SPANS_NAMED} more parts: {reason}")

    def _miss(self, target: str, reason: str) -> None:
        missed = NotReached(target=target[:300], reason=reason[:300])
        self.not_reached[missed.target, missed.reason] = missed
