"""What people choose of a site's scope: segments and how they are searched, targets, exclusions.

Two entries that mean the same addresses are one, however they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from shared.ipp_uri import IppUriError, ipp_uri_of, is_ipp_uri
from shared.scope import Ask, AskingManner, CredentialRange, Scope, SegmentRule
from shared.spans import Span
from shared.targets import Broadcast, HostName, TargetError, as_addresses, parse_target

MAX_CREDENTIALS = 20  # of one range
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_AS_SET = AskingManner()
_Entry = TypeVar("_Entry", str, SegmentRule, CredentialRange)


class ChoiceError(ValueError):
    """Entries that cannot be chosen; one line for each."""


@dataclass(frozen=True)
class Choice:
    """Whether a range is searched, and how; what is left out is as the site is set."""

    network: str
    chosen: bool = True
    broadcast: bool = False
    manner: AskingManner = _AS_SET
    credentials: tuple[str, ...] = ()  # names, in order; none: those of a wider range, if any

    @property
    def told(self) -> str:
        manner = self.manner
        words = [
            "chosen" if self.chosen else "not chosen",
            self.broadcast and "by broadcast first",
            manner.timeout_s and f"waits {manner.timeout_s:g} s",
            manner.tries and f"asked {manner.tries} times",
            manner.pace and f"{manner.pace:g} datagrams a second",
            manner.max_message and f"messages of at most {manner.max_message} octets",
            self.credentials and f"credentials {', '.join(self.credentials)}",
        ]
        return ", ".join(word for word in words if word)


def spans_of(entry: str) -> tuple[Span, ...]:
    """The addresses that an entry of a scope means; none for a name, or what cannot be read."""
    return tuple(span for span, _ in _meant(entry))


def same(entry: str) -> object:
    """Equal for entries that mean the same addresses, on the same port."""
    return _meant(entry) or entry.strip().lower()


def choices_of(scope: Scope) -> dict[object, Choice]:
    """What a scope says of each range that it names, by `same` of the range."""
    found: dict[object, Choice] = {}
    for entry in scope.segments:
        found.setdefault(same(entry), Choice(entry))
    for rule in reversed(scope.rules):
        key = same(rule.range)
        one = found.get(key, Choice(rule.range, chosen=False))
        found[key] = replace(one, broadcast=rule.broadcast, manner=rule.manner)
    for named in reversed(scope.credentials):
        key = same(named.range)
        one = found.get(key, Choice(named.range, chosen=False))
        found[key] = replace(one, credentials=tuple(named.credentials))
    return found


def with_choices(scope: Scope, choices: Iterable[Choice]) -> Scope:
    """The scope with each choice in the place of what it said of the same addresses.

    Raises: ChoiceError.
    """
    there = choices_of(scope)
    wanted: dict[object, Choice] = {}
    for one in choices:
        key = same(one.network)
        was = there.get(key, Choice(one.network, chosen=False))
        if one != replace(was, network=one.network):
            wanted[key] = replace(one, network=one.network.strip())
    _refuse(fault for key, one in wanted.items() for fault in _faults(one, key in there))
    segments = {key: one.network if one.chosen else None for key, one in wanted.items()}
    rules = {key: _rule(one) for key, one in wanted.items()}
    credentials = {key: _credentials(one) for key, one in wanted.items()}
    return scope.model_copy(
        update={
            "segments": _put(scope.segments, segments, str),
            "rules": _put(scope.rules, rules, _range),
            "credentials": _put(scope.credentials, credentials, _range),
        }
    )


def without_segments(scope: Scope, networks: Sequence[str]) -> Scope:
    """Raises: ChoiceError, where one of them is not chosen."""
    left = _without(scope.segments, networks, "is not chosen")
    return scope.model_copy(update={"segments": left})


def with_exclusions(scope: Scope, entries: Sequence[str]) -> Scope:
    """Raises: ChoiceError."""
    return scope.model_copy(update={"exclusions": _added(scope.exclusions, entries)})


def without_exclusions(scope: Scope, entries: Sequence[str]) -> Scope:
    """Raises: ChoiceError, where one of them is not excluded."""
    left = _without(scope.exclusions, entries, "is not excluded")
    return scope.model_copy(update={"exclusions": left})


def with_targets(scope: Scope, entries: Sequence[str]) -> Scope:
    """Raises: ChoiceError."""
    return scope.model_copy(update={"targets": _added(scope.targets, entries)})


def with_credentials(scope: Scope, named: Mapping[str, Sequence[str]]) -> Scope:
    """The credentials, in order, that may be sent to each of the entries."""
    wanted = {
        same(entry): CredentialRange(range=entry, credentials=list(names))
        for entry, names in named.items()
    }
    return scope.model_copy(update={"credentials": _put(scope.credentials, wanted, _range)})


def with_ask(scope: Scope, ask: Ask, now: datetime) -> Scope:
    """Those whose time is over are left out."""
    return scope.model_copy(update={"asks": [*(one for one in scope.asks if one.until > now), ask]})


def changes_told(before: Scope, after: Scope) -> list[str]:
    """What the one says otherwise than the other of ranges, targets, exclusions and asks."""
    old, new = choices_of(before), choices_of(after)
    lines = [f"{one.network}: {one.told}" for key, one in new.items() if old.get(key) != one]
    lines += [f"{one.network}: not chosen" for key, one in old.items() if key not in new]
    for what, was, now in (
        ("target", before.targets, after.targets),
        ("excluded", before.exclusions, after.exclusions),
    ):
        lines += [f"{entry}: {what}" for entry in _only_in(now, was)]
        lines += [f"{entry}: no longer {what}" for entry in _only_in(was, now)]
    known = {one.id for one in before.asks}
    asked = [one for one in after.asks if one.id not in known]
    return lines + [f"a {one.kind} now, begun by {one.until:%Y-%m-%d %H:%M} UTC" for one in asked]


def _meant(entry: str) -> tuple[tuple[Span, int | None], ...]:
    try:
        found = as_addresses(parse_target(entry), {})
    except TargetError:
        return ()
    return tuple(sorted((one.span, one.port) for one in found))


def _only_in(entries: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [entry for entry in entries if entry not in known]


def _rule(choice: Choice) -> SegmentRule | None:
    rule = SegmentRule(range=choice.network, manner=choice.manner, broadcast=choice.broadcast)
    return None if rule == SegmentRule(range=choice.network) else rule


def _credentials(choice: Choice) -> CredentialRange | None:
    names = list(choice.credentials)
    return CredentialRange(range=choice.network, credentials=names) if names else None


def _added(there: list[str], entries: Sequence[str]) -> list[str]:
    _refuse(fault for entry in entries if (fault := _target_fault(entry)))
    known = {same(entry) for entry in there}
    added = {same(entry): entry.strip() for entry in entries}
    return [*there, *(entry for key, entry in added.items() if key not in known)]


def _without(there: list[str], entries: Sequence[str], why_not: str) -> list[str]:
    known = {same(entry) for entry in there}
    removed = {same(entry): entry for entry in entries}
    _refuse(f"{entry}: {why_not}" for key, entry in removed.items() if key not in known)
    return [entry for entry in there if same(entry) not in removed]


def _target_fault(entry: str) -> str | None:
    """Why an entry is no target, beginning with the entry; None where it is one."""
    try:
        if is_ipp_uri(entry):
            ipp_uri_of(entry)
        elif isinstance(parse_target(entry), Broadcast):
            return f"{entry}: is chosen with a segment"
    except TargetError as error:
        return str(error)
    except IppUriError as error:
        return f"an IPP printer: {error}"
    return None


def _faults(choice: Choice, is_there: bool) -> Iterator[str]:
    fault = _segment_fault(choice.network)
    if fault and not is_there:  # what cannot be read, and is there, can be taken out
        yield fault
    shown = repr(choice.network)[1:-1][:80]
    for name in choice.credentials:
        if not _NAME.fullmatch(name):
            yield f"{shown}: {name[:80]!r} is no credential's name"
    if len(choice.credentials) > MAX_CREDENTIALS:
        yield f"{shown}: a range has at most {MAX_CREDENTIALS} credentials"


def _segment_fault(entry: str) -> str | None:
    try:
        target = parse_target(entry)
    except TargetError as error:
        return str(error)
    if isinstance(target, Broadcast):
        return f"{entry}: is chosen with a segment"
    if isinstance(target, HostName):
        return f"{entry}: a name is no segment; it can be a target"
    ports = {one.port for one in as_addresses(target, {})}
    return None if ports == {None} else f"{entry}: a segment has no port"


def _refuse(faults: Iterable[str]) -> None:
    found = list(faults)
    if found:
        raise ChoiceError("\n".join(found))


def _put(
    there: Sequence[_Entry], wanted: Mapping[object, _Entry | None], text: Callable[[_Entry], str]
) -> list[_Entry]:
    """The entries with those of the same addresses replaced where they stand, or taken out."""
    out: list[_Entry] = []
    left = dict(wanted)
    for entry in there:
        key = same(text(entry))
        if key not in wanted:
            out.append(entry)
        elif (new := left.pop(key, None)) is not None:
            out.append(_as_written(entry, new))
    return out + [new for new in left.values() if new is not None]


def _as_written(entry: _Entry, new: _Entry) -> _Entry:
    """The new one with the range as people wrote it first."""
    if isinstance(entry, str):
        return entry
    return new.model_copy(update={"range": entry.range})


def _range(entry: SegmentRule | CredentialRange) -> str:
    return entry.range
