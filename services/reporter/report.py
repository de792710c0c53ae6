"""What a report says: a row a device, and the counts and sums over them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from services.reporter.period import Period
from services.reporter.volume import Volume, meter_order
from shared.messages import usual_unit
from shared.store.reports import HeldRead, ReadOrigin, RoundCounts, StoredRead

MAIN_METERS = ("total", "mono", "color")
MAX_OTHER_METERS = 60
STATUSES = {
    "ok": "both readings are there and the meters agree",
    "new": "first read in this period: pages count from its first reading",
    "stale": "the current reading is more than 7 days older than the end of the period",
    "late": "the previous reading came too late for the report before; the note says more",
    "missing": "no reading in this period; nothing is estimated",
    "no meters": "it was read, but reports no meters; the note says why",
    "changed": "a meter came, went, or counts something else now: its pages are left blank",
    "counter event": "a meter fell, so its pages are left blank until somebody has looked at it",
    "held": "readings that may be another device's; somebody has to say whose they are",
}
_FINE = ("ok", "new")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# what turns the text after it around, and what no XML part may hold
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Row:
    origin: ReadOrigin  # of the current reading, else of the previous one
    volume: Volume


class Sum(NamedTuple):
    meter: str  # with its unit, where that is not the usual one
    amount: int
    rows: int


@dataclass(frozen=True)
class Report:
    customer: str
    period: Period
    made_at: datetime
    rows: Sequence[Row]
    rounds: RoundCounts
    held_cut: bool = False  # there are more held readings than rows of them

    @property
    def is_over(self) -> bool:
        return self.made_at >= self.period.end

    @cached_property
    def by_status(self) -> Counter[str]:
        return Counter(row.volume.status for row in self.rows)

    @property
    def devices(self) -> int:
        return len(self.rows) - self.by_status["held"]

    @property
    def read(self) -> int:
        """Devices with a reading in the period."""
        return self.devices - self.by_status["missing"]

    @property
    def attention(self) -> list[Row]:
        return [row for row in self.rows if row.volume.status not in _FINE]

    @cached_property
    def other_meters(self) -> list[str]:
        """Meters beside the main ones that any row has a value of, in the order of columns."""
        return [name for name in self._reported if name not in MAIN_METERS][:MAX_OTHER_METERS]

    @property
    def meters_left_out(self) -> int:
        beside = [name for name in self._reported if name not in MAIN_METERS]
        return max(0, len(beside) - MAX_OTHER_METERS)

    @cached_property
    def _reported(self) -> list[str]:
        names: set[str] = set()
        for row in self.rows:
            for read in (row.volume.opening, row.volume.closing):
                names.update(read.meters if read else ())
        return sorted(names, key=meter_order)

    def pages(self, name: str) -> list[Sum]:
        """A meter's volumes, added up."""
        return self._sums(name, lambda volume, _: volume.pages)

    def current(self, name: str) -> list[Sum]:
        """A meter's current readings, added up."""
        return self._sums(name, lambda _, closing: closing.meters)

    def _sums(
        self, name: str, amounts: Callable[[Volume, StoredRead], Mapping[str, int]]
    ) -> list[Sum]:
        """One sum a unit, that of the meter's usual unit first: hours are not added to pages."""
        by_unit: dict[str, list[int]] = {usual_unit(name): []}
        for row in self.rows:
            closing = row.volume.closing
            if closing and name in (found := amounts(row.volume, closing)):
                by_unit.setdefault(closing.units[name], []).append(found[name])
        usual, *others = by_unit.items()
        return [
            Sum(f"{name}, {unit}" if unit != usual_unit(name) else name, sum(each), len(each))
            for unit, each in (usual, *sorted(others))
        ]


def held_row(held: HeldRead) -> Row:
    times = f"{held.times} readings so" if held.times > 1 else "one reading so"
    return Row(held.origin, Volume("held", closing=held.read, notes=(held.because, times)))


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """In an order that depends on nothing but the rows."""
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[str, ...]:
    origin, read = row.origin, row.volume.closing or row.volume.opening
    words = (origin.site, origin.make, origin.model, origin.serial, origin.address, origin.target)
    return (*(word or "" for word in words), str(read.id if read else ""))


def printable(text: str | None, limit: int = 1024) -> str:
    """A device's or a person's text without what a cell, a header or a screen must not get."""
    return _TURNING.sub("", _CONTROL.sub(" ", text or "")).strip()[:limit]
