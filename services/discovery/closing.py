"""How a round is closed: everything that it was to ask has a name in its last messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, TypeVar

from services.discovery.devices import Device, follow
from services.discovery.plan import SNMP_PORT, Plan, Wish
from services.discovery.roster import Round
from services.discovery.roster_rows import AnswerRow
from shared.message import Part
from shared.messages import (
    MAX_ORDERS_A_PART,
    DeviceEvent,
    NoCredential,
    NotReached,
    Order,
    RoundFinished,
    SilentDevice,
    SnmpTarget,
    SpooledTarget,
    order_id,
)
from shared.spans import Span, holds, number_of, size_of, span_text

T = TypeVar("T")
_LONGEST = 300
_MOST_TRIED = 50  # credentials that are named


@dataclass(frozen=True)
class Asked:
    """What one sweep did of its plan."""

    plan: Plan
    unasked: Sequence[tuple[Span, int]] = ()
    unsendable: Mapping[str, Sequence[tuple[Span, int]]] = field(default_factory=dict)

    @cached_property
    def unreached(self) -> list[tuple[tuple[Span, int], str]]:
        """Spans with their port, and why."""
        late = [(one, "not asked before the round's deadline") for one in self.unasked]
        return late + [
            (one, reason) for reason, places in self.unsendable.items() for one in places
        ]

    @property
    def size(self) -> int:
        """Addresses that were asked."""
        return self.plan.size - sum(size_of([span]) for (span, _), _ in self.unreached)

    def tried(self, target: SnmpTarget) -> tuple[str, ...] | None:
        """The credentials that were sent there; None where it was not asked."""
        at, port = number_of(target.snmp), target.port
        group = self.plan.group_of(at, port)
        if group is None or any(
            first <= at <= last and port == its_port
            for ((first, last), its_port), _ in self.unreached
        ):
            return None
        return tuple(dict.fromkeys(one.credential for one in group.passes))


class Computers(NamedTuple):
    """What came of asking computers for the devices attached to them."""

    listed: frozenset[str] = frozenset()  # those that answered
    by_network: frozenset[str] = frozenset()  # keys of targets that are asked by network
    not_reached: tuple[NotReached, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a round came to."""

    asked: int  # addresses
    answers: Sequence[AnswerRow]
    silent: Sequence[SilentDevice]
    not_reached: Sequence[NotReached]
    events: Sequence[DeviceEvent] = ()
    known: Sequence[Device] = ()  # from now on
    interrupted: bool = False


def outcome_of(
    wish: Wish,
    asked: Sequence[Asked],
    *,
    answers: Sequence[AnswerRow],
    known: Sequence[Device],
    computers: Computers,
    not_taken: Mapping[str, str],
    interrupted: bool,
) -> Outcome:
    """Every address of the plans answered, was silent, or is named with why it was not reached.

    A known device is no longer known where a person said that it is gone: the scope excludes its
    address, or names its computer no more.
    """
    not_reached = [missed for one in asked for missed in one.plan.not_reached]
    not_reached += [
        _missed(_shown(span, port), why) for one in asked for (span, port), why in one.unreached
    ]
    not_reached += [
        _missed(one.shown, one.reason)
        for one in answers
        if one.reason and one.outcome != "no_credential"
    ]
    not_reached += [_missed(target, why) for target, why in not_taken.items()]
    not_reached += computers.not_reached
    excluded = asked[0].plan.excluded
    kept = [one for one in known if not _is_gone(one, wish, excluded, computers)]
    heard = {one.target.key for one in answers if one.outcome != "not_a_printer"}
    tried = _tried(asked, kept, computers)
    followed = follow(
        kept,
        [device for one in answers if (device := one.device)],
        silent=tried.keys() - heard,
    )
    return Outcome(
        asked=sum(one.size for one in asked),
        answers=answers,
        silent=[
            SilentDevice(
                target=one.target,
                last_answered_at=one.last_answered_at,
                silent_rounds=one.silent_rounds,
                serial=one.traits.serial,
                tried=list(tried.get(one.target.key, ()))[:_MOST_TRIED],
            )
            for one in followed.silent
        ],
        not_reached=not_reached,
        events=followed.events,
        known=followed.known,
        interrupted=interrupted,
    )


def _is_gone(device: Device, wish: Wish, excluded: Sequence[Span], computers: Computers) -> bool:
    """Also where what a computer had attached is now known by network."""
    if isinstance(device.target, SnmpTarget):
        return holds(excluded, number_of(device.target.snmp))
    hosts = {one.host for one in wish.spoolers}
    return device.target.spooled.host not in hosts or device.target.key in computers.by_network


def _tried(
    asked: Sequence[Asked], known: Iterable[Device], computers: Computers
) -> dict[str, Collection[str]]:
    """The credentials that each known device was asked with, for those that were asked."""
    tried: dict[str, Collection[str]] = {}
    for one in known:
        if isinstance(one.target, SpooledTarget):
            if one.target.spooled.host in computers.listed:
                tried[one.target.key] = ()
            continue
        sent = [names for each in asked if (names := each.tried(one.target)) is not None]
        if sent:
            tried[one.target.key] = sent[0]
    return tried


def _missed(target: str, reason: str) -> NotReached:
    return NotReached(target=target[:_LONGEST], reason=reason[:_LONGEST])


def _shown(span: Span, port: int) -> str:
    return span_text(span) + ("" if port == SNMP_PORT else f" port {port}")


def last_messages(
    ended: Round, outcome: Outcome, *, agent: str, now: datetime, packets: int, octets: int
) -> list[RoundFinished]:
    """In parts of at most 1,000 names; one part where there is nothing to name."""
    named: list[Part] = [
        Order(order=order_id(ended.id, one.target), target=one.target)
        for one in outcome.answers
        if one.outcome == "printing" and one.published
    ]
    named += outcome.silent
    named += outcome.not_reached
    named += [
        NoCredential(
            target=one.target,
            tried=list(one.tried)[:_MOST_TRIED],
            reason=one.reason[:_LONGEST],
        )
        for one in outcome.answers
        if one.outcome == "no_credential"
    ]
    named += outcome.events
    chunks = [
        named[at : at + MAX_ORDERS_A_PART] for at in range(0, len(named), MAX_ORDERS_A_PART)
    ] or [[]]
    return [
        RoundFinished(
            round=ended.id,
            agent=agent,
            kind="asked" if ended.ask else ended.kind,
            part=part,
            parts=len(chunks),
            started_at=ended.started_at,
            finished_at=now,
            interrupted=outcome.interrupted,
            orders=_of(Order, chunk),
            silent=_of(SilentDevice, chunk),
            not_reached=_of(NotReached, chunk),
            no_credential=_of(NoCredential, chunk),
            events=_of(DeviceEvent, chunk),
            asked=outcome.asked,
            answered=sum(isinstance(one.target, SnmpTarget) for one in outcome.answers),
            not_printers=sum(one.outcome == "not_a_printer" for one in outcome.answers),
            packets=packets,
            bytes=octets,
        )
        for part, chunk in enumerate(chunks, 1)
    ]


def _of(kind: type[T], chunk: Iterable[object]) -> list[T]:
    return [one for one in chunk if isinstance(one, kind)]
