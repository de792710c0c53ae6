"""How a round is closed: everything that it was to ask has a name in its last messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from services.discovery.plan import SNMP_PORT, Known, Plan
from services.discovery.roster import AnswerRow, KnownRow, Round
from services.discovery.sweep import Place, spans_of
from shared.messages import (
    MAX_ORDERS_A_PART,
    NotReached,
    Order,
    RoundFinished,
    SilentDevice,
    SnmpTarget,
    order_id,
)
from shared.spans import Span, number_of, size_of, span_text

T = TypeVar("T")
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Outcome:
    """What a round came to."""

    asked: int  # addresses
    answers: Sequence[AnswerRow]
    silent: Sequence[KnownRow]
    not_reached: Sequence[NotReached]
    interrupted: bool = False


def outcome_of(
    plan: Plan,
    *,
    answers: Sequence[AnswerRow],
    known: Sequence[KnownRow],
    unasked: Sequence[tuple[Span, int]],
    unsendable: Mapping[str, Sequence[Place]],
    not_taken: Mapping[str, str],
    interrupted: bool,
) -> Outcome:
    """Every address of the plan answered, was silent, or is named with why it was not reached."""
    unreached = [(one, "not asked before the round's deadline") for one in unasked]
    unreached += [
        (one, reason) for reason, places in unsendable.items() for one in spans_of(places)
    ]
    not_reached = [*plan.not_reached]
    not_reached += [_missed(_shown(span, port), why) for (span, port), why in unreached]
    not_reached += [
        _missed(one.target.snmp, one.reason)
        for one in answers
        if isinstance(one.target, SnmpTarget) and one.reason
    ]
    not_reached += [_missed(target, why) for target, why in not_taken.items()]
    heard = {one.target.key for one in answers if one.outcome != "not_a_printer"}

    def was_asked(device: Known) -> bool:
        at, port = number_of(device.address), device.port
        return plan.group_of(at, port) is not None and not any(
            span[0] <= at <= span[1] and port == its_port for (span, its_port), _ in unreached
        )

    return Outcome(
        asked=plan.size - sum(size_of([span]) for (span, _), _ in unreached),
        answers=answers,
        silent=[one for one in known if one.target.key not in heard and was_asked(one.device)],
        not_reached=not_reached,
        interrupted=interrupted,
    )


def _missed(target: str, reason: str) -> NotReached:
    return NotReached(target=target, reason=reason[:_LONGEST_REASON])


def _shown(span: Span, port: int) -> str:
    return span_text(span) + ("" if port == SNMP_PORT else f" port {port}")


def last_messages(
    ended: Round, outcome: Outcome, *, agent: str, now: datetime, packets: int, octets: int
) -> list[RoundFinished]:
    """In parts of at most 1,000 names; one part where there is nothing to name."""
    named: list[Order | SilentDevice | NotReached] = [
        Order(order=order_id(ended.id, one.target), target=one.target)
        for one in outcome.answers
        if one.outcome == "printing" and one.published
    ]
    named += [
        SilentDevice(
            target=one.target,
            last_answered_at=one.last_answered_at,
            silent_rounds=one.silent_rounds + 1,
        )
        for one in outcome.silent
    ]
    named += outcome.not_reached
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
