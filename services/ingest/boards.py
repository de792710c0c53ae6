"""Whose MAC address a read shows, and whether a board was replaced. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from uuid import UUID


@dataclass(frozen=True)
class Holder:
    """A device that is known by its serial number, and when it had a MAC address."""

    key: str
    site_id: int
    model: str | None
    first_at: datetime
    last_at: datetime
    rounds: frozenset[UUID]  # the first and the last, and those of this batch

    def longer_by(self, other: Holder) -> Holder:
        newer = max(self, other, key=lambda holder: holder.last_at)
        return replace(
            newer,
            model=newer.model or self.model or other.model,
            first_at=min(self.first_at, other.first_at),
            rounds=self.rounds | other.rounds,
        )

    def beside(self, other: Holder) -> bool:
        """Both had it at once."""
        apart = self.last_at < other.first_at or other.last_at < self.first_at
        return not apart or not self.rounds.isdisjoint(other.rounds)


class Macs:
    """Which devices have had each MAC address, as it becomes known."""

    def __init__(
        self, known: Iterable[tuple[str, Holder]] = (), asked: Collection[str] | None = None
    ) -> None:
        """`asked`: the addresses whose holders will be asked for; None: any."""
        self._asked = asked
        self._holders: dict[str, list[Holder]] = {}
        for mac, holder in known:
            self._holders.setdefault(mac, []).append(holder)

    def asked(self, mac: str | None) -> bool:
        return mac is not None and (self._asked is None or mac in self._asked)

    def note(self, mac: str, holder: Holder) -> None:
        holders = self._holders.setdefault(mac, [])
        own = [each for each in holders if each.key == holder.key]
        newest = max(own, key=lambda each: each.last_at, default=None)
        if newest is None:
            holders.append(holder)
        else:
            holders[holders.index(newest)] = newest.longer_by(holder)

    def owner(self, mac: str | None, at: datetime) -> Holder | None:
        """The device that had it at an instant; what came later, or comes yet, changes nothing."""
        holders = (each for each in self._holders.get(mac or "", ()) if each.first_at <= at)
        return max(holders, key=lambda each: (each.first_at, each.key), default=None)

    def left_by(self, mac: str, newcomer: Holder) -> Holder | None:
        """The device that had the address until the newcomer did; None where that is not told:
        several devices have it at once, as behind one print server, or it is another model."""
        holders = [
            each
            for each in self._holders.get(mac, ())
            if each.site_id == newcomer.site_id and each.key != newcomer.key
        ]
        if any(
            one.key != other.key and one.beside(other) for one, other in combinations(holders, 2)
        ):
            return None
        last = max(holders, key=_last, default=None)
        if last is None or last.first_at > newcomer.first_at:
            return None
        if last.model and newcomer.model and last.model != newcomer.model:
            return None
        return last


def spelled_alike(key: str, other: str) -> bool:
    """Whether two keys may be of one serial number: devices put zeros before it in one answer and
    not in another, and call their maker by several names."""
    one, another = (each.rpartition(" ")[2].lstrip("0") for each in (key, other))
    return one == another


def _last(holder: Holder) -> tuple[datetime, str]:
    return holder.last_at, holder.key
