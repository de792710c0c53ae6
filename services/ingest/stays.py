"""Where a device was, and which MAC address it had, from when until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct


class Seen(Struct, frozen=True, gc=False):
    """One value of a device's, as a read showed it."""

    value: str
    at: datetime
    round_id: UUID
    model: str | None = None


@dataclass(slots=True)
class Stay:
    """A value that a device had, from one read until the last before it had none but others."""

    value: str
    first: Seen
    last: Seen
    model: str | None  # of several the first by its letters
    instead_of: str | None = None  # what it had in the round before, and has no more
    over: bool = True


def stays_of(seen: Iterable[Seen]) -> list[Stay]:
    """All stays of one device, whatever the order in which its reads came.

    A device may show two values in one round: both stay, and neither replaced the other.
    """
    stays: list[Stay] = []
    before: dict[str, Stay] = {}
    for round_ in _rounds(seen):
        here: dict[str, Stay] = {}
        for each in round_:
            stay = here.get(each.value) or before.get(each.value)
            if stay is None:
                stay = Stay(each.value, each, each, each.model)
                stays.append(stay)
            stay.last = max(stay.last, each, key=_in_time)
            stay.model = min(filter(None, (stay.model, each.model)), default=None)
            here[each.value] = stay
        if before and not before.keys() & here.keys():
            left = max(before.values(), key=lambda stay: _in_time(stay.last))
            for stay in here.values():
                stay.instead_of = left.value
        before = here
    for stay in before.values():
        stay.over = False
    return stays


def _rounds(seen: Iterable[Seen]) -> list[list[Seen]]:
    rounds: dict[UUID, list[Seen]] = {}
    for each in sorted(seen, key=_in_time):
        rounds.setdefault(each.round_id, []).append(each)
    return list(rounds.values())


def _in_time(seen: Seen) -> tuple[datetime, UUID, str, str]:
    return seen.at, seen.round_id, seen.value, seen.model or ""
