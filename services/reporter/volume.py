"""From a device's reads to what it printed in a period. Pure: `as_of` comes in.

A volume is the difference of two accepted reads: the meter is reported by both, counts the same
thing in both, and fell nowhere between them. Anything else is no volume, with the reason in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from services.reporter.period import Period
from shared.clock import clock_off
from shared.store.reports import StoredRead

STALE_AFTER = timedelta(days=7)
# a meter that fell shortly before the opening read makes that read unfit to bill from
LOOK_BACK = timedelta(days=7)
_SHOWN_METERS = 3

# read id -> meter -> the OIDs that it came from
Sources = Mapping[UUID, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Volume:
    """What a device's reads say of a period.

    `pages` holds only meters whose volume can be told. `status` is one of ok, new, stale,
    late, missing, no meters, changed, counter event, held; `notes` say why, and what else there
    is to know.
    """

    status: str
    opening: StoredRead | None = None
    closing: StoredRead | None = None
    pages: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def device_volume(
    reads: Sequence[StoredRead], period: Period, as_of: datetime, sources: Sources | None = None
) -> Volume:
    """The volume of one device.

    Args:
        reads: all reads of the period, those of LOOK_BACK before it, and the last one before it.
        as_of: when the report is made; while the period runs, age is counted from here.
        sources: for reads around a change of what is read (see `source_changes`).
    """
    start, end = period.start, period.end
    known = sorted((read for read in reads if read.billed_at <= end), key=_by_time)
    metered = [read for read in known if read.meters]
    before = [read for read in metered if read.billed_at <= start]
    within = metered[len(before) :]
    if not within:
        return _nothing_within(known, before, period)
    opening, closing = before[-1] if before else within[0], within[-1]
    told = _meters(metered, opening, closing, period, sources or {})
    age = min(end, as_of) - closing.billed_at
    notes = [*told.notes]
    if not before:
        notes.append(
            f"first read on {period.clock(opening.billed_at)}; earlier pages are not in it"
        )
    if told.pages and opening.billed_at < start - STALE_AFTER:
        since = period.clock(opening.billed_at)
        notes.append(f"previous reading on {since}; all pages since then are in it")
    if opening is closing:
        notes.append("one reading only; pages follow with the next")
    if age > STALE_AFTER:
        notes.append(f"unread since {period.clock(closing.billed_at)}")
    notes += _empty_since(known, closing, period)
    notes += _marked(opening, closing, period)
    return Volume(
        _status(told, new=not before, stale=age > STALE_AFTER),
        opening,
        closing,
        told.pages,
        tuple(notes),
    )


def held_volume(volume: Volume, because: str) -> Volume:
    """Of a device whose reads may be another's: its readings are shown, and no pages."""
    return replace(volume, status="held", pages={}, notes=(because, *volume.notes))


def late_volume(volume: Volume, period: Period, reported_at: datetime | None) -> Volume:
    """Says where the opening read came, or was given to the device, only after the report of the
    time before it was made.

    That report could not count up to it, and this one counts from it.
    """
    opening = volume.opening
    if (
        reported_at is None
        or opening is None
        or opening.billed_at > period.start
        or opening.received_at <= reported_at
    ):
        return volume
    note = (
        f"the previous reading came after the report up to then was made on"
        f" {period.clock(reported_at)}, or was held till after it:"
        " pages before it are in no report until that is made again"
    )
    status = "late" if volume.status == "ok" else volume.status
    return replace(volume, status=status, notes=(note, *volume.notes))


def taken_back_volume(volume: Volume, period: Period, taken_back: datetime | None) -> Volume:
    """Says where the report of the time before counted to an entry that was taken back since.

    This one counts from an earlier reading, so that pages of that report may be in it again.

    Args:
        taken_back: when that entry was read; None: there is none.
    """
    opening = volume.opening
    if taken_back is None or opening is None or opening.billed_at >= taken_back:
        return volume
    note = (
        f"the report up to then counted to an entry of {period.clock(taken_back)} that was taken"
        " back since: pages of it may be in this one again"
    )
    status = "late" if volume.status == "ok" else volume.status
    return replace(volume, status=status, notes=(note, *volume.notes))


def source_changes(reads: Sequence[StoredRead]) -> list[StoredRead]:
    """Reads next to a change of version within one profile family, or of the rows read.

    A profile's version rises whenever its numbers could, and a device may answer the second of
    the rows that a profile names, so the same meter may be another counter since: the OIDs that
    it came from tell. What somebody entered came from no row.
    """
    ordered = sorted((read for read in reads if not read.entered_by), key=_by_time)
    wanted: dict[UUID, StoredRead] = {}
    for earlier, later in pairwise(ordered):
        if not _same_rows(earlier, later) and _family(earlier) == _family(later):
            wanted |= {earlier.id: earlier, later.id: later}
    return list(wanted.values())


@dataclass
class _Told:
    pages: dict[str, int] = field(default_factory=dict)
    fell: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        return [*_shortened(self.fell), *_shortened(self.changed)]


def _meters(
    metered: Sequence[StoredRead],
    opening: StoredRead,
    closing: StoredRead,
    period: Period,
    sources: Sources,
) -> _Told:
    told = _Told()
    run = [
        read
        for read in metered
        if opening.billed_at - LOOK_BACK <= read.billed_at <= closing.billed_at
    ]
    falls, changes = _between(run, opening, sources)
    for name in sorted({name for read in run for name in read.meters}, key=meter_order):
        if name in falls:
            earlier, later = falls[name]
            told.fell.append(
                f"{name} fell from {_count(name, earlier)} to {_count(name, later)}"
                f" on {period.clock(later.billed_at)}"
            )
        elif name in changes:
            told.changed.append(f"{name}: {changes[name]}")
        elif opening is closing:
            continue
        elif name in opening.meters and name in closing.meters:
            told.pages[name] = closing.meters[name] - opening.meters[name]
        elif name in opening.meters:
            told.changed.append(f"{name} is not in the current reading")
        elif name in closing.meters:
            told.changed.append(f"{name} is not in the previous reading")
    return told


def _between(
    run: Sequence[StoredRead], opening: StoredRead, sources: Sources
) -> tuple[dict[str, tuple[StoredRead, StoredRead]], dict[str, str]]:
    """Each meter's first fall, and its first change since the opening read, by name."""
    falls: dict[str, tuple[StoredRead, StoredRead]] = {}
    changes: dict[str, str] = {}
    last: dict[str, StoredRead] = {}
    told: dict[str, StoredRead] = {}  # the last that the device itself told
    for later in run:
        for name, value in later.meters.items():
            earlier = last.get(name)
            alike = earlier if later.entered_by else told.get(name, earlier)
            if earlier and alike and alike.billed_at < opening.billed_at <= earlier.billed_at:
                alike = earlier  # the opening entry, from which is billed
            last[name] = later
            if not later.entered_by:
                told[name] = later
            if earlier is None or alike is None:
                continue
            difference = _difference(name, alike, later, sources)
            if difference is None and value < earlier.meters[name]:
                falls.setdefault(name, (earlier, later))
            elif difference is not None and alike.billed_at >= opening.billed_at:
                changes.setdefault(name, difference)
    return falls, changes


def _count(name: str, read: StoredRead) -> str:
    by_hand = f" (entered by hand by {read.entered_by})" if read.entered_by else ""
    return f"{read.meters[name]}{by_hand}"


def _difference(name: str, earlier: StoredRead, later: StoredRead, sources: Sources) -> str | None:
    """Why two reads of a meter may not count the same thing, in words; None where they do.

    Who enters a meter says by its name and unit what it counts.
    """
    if earlier.entered_by or later.entered_by:
        same = earlier.units[name] == later.units[name]
        return None if same else f"unit changed from {earlier.units[name]} to {later.units[name]}"
    if (
        _same_rows(earlier, later)
        and earlier.units[name] == later.units[name]
        and earlier.basis == later.basis
        and earlier.large_counts == later.large_counts
    ):
        return None
    for word, was, now in (
        ("unit", earlier.units[name], later.units[name]),
        ("basis", earlier.basis, later.basis),
        ("count of a large sheet", earlier.large_counts, later.large_counts),
        ("profile", _family(earlier), _family(later)),
    ):
        if was != now:
            return f"{word} changed from {was or 'unsaid'} to {now or 'unsaid'}"
    was_from, now_from = (sources.get(read.id, {}).get(name) for read in (earlier, later))
    if was_from is not None and was_from == now_from:
        return None
    if earlier.profile != later.profile:
        return f"profile changed from {earlier.profile} to {later.profile}"
    return "comes from other rows of the device than before"


def _nothing_within(
    known: Sequence[StoredRead], before: Sequence[StoredRead], period: Period
) -> Volume:
    """No meter was read in the period: an older reading is not given as a new one."""
    opening = before[-1] if before else None
    empty = [read for read in known if read.billed_at > period.start]
    if empty:
        reason = empty[-1].no_meters_because or "the device reported no meters"
        notes = (reason, *_marked(opening, empty[-1], period))
        return Volume("no meters", opening, empty[-1], notes=notes)
    since = f"; unread since {period.clock(known[-1].billed_at)}" if known else ""
    notes = (f"no reading in this period{since}", *_marked(opening, None, period))
    return Volume("missing", opening, notes=notes)


def _marked(opening: StoredRead | None, closing: StoredRead | None, period: Period) -> list[str]:
    """Which of the readings shown are not as they were told, and where they come from."""
    notes = []
    for which, read in (("previous reading", opening), ("current reading", closing)):
        if read is None or (which == "previous reading" and read is closing):
            continue
        if read.corrected_at:
            on = f"{period.local(read.corrected_at):%Y-%m-%d}"
            notes.append(f"{which} corrected on {on}: profile {read.profile}")
        if read.entered_by:
            notes.append(f"{which} entered by hand by {read.entered_by}")
        if wrong := clock_off(read.clock_offset_s):
            said = period.clock(read.taken_at)
            notes.append(f"{which}: the site's clock was {wrong}, it said {said}")
    return notes


def _empty_since(known: Sequence[StoredRead], closing: StoredRead, period: Period) -> list[str]:
    # a spooler never tells a meter, so that it is silent of it is no news
    told = [read for read in known if _family(read) != "spooled"]
    later = [read for read in told if _by_time(read) > _by_time(closing)]
    if not later:
        return []
    reason = later[-1].no_meters_because or "no reason given"
    return [f"read without meters since, last on {period.clock(later[-1].billed_at)}: {reason}"]


def _status(told: _Told, *, new: bool, stale: bool) -> str:
    for status, holds in (
        ("counter event", bool(told.fell)),
        ("changed", bool(told.changed)),
        ("stale", stale),
        ("new", new),
    ):
        if holds:
            return status
    return "ok"


_FIRST = ("total", "mono", "color", "print", "copy", "fax", "scan")
_ORDER = {name: place for place, name in enumerate(_FIRST)}


def meter_order(name: str) -> tuple[int, str]:
    """Sorts meters as people look for them: total, mono, color, functions, then by name."""
    return _ORDER.get(name, len(_ORDER)), name


def _shortened(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN_METERS
    return [*lines[:_SHOWN_METERS], *([f"and {rest} more meters so"] if rest > 0 else [])]


def _same_rows(earlier: StoredRead, later: StoredRead) -> bool:
    return earlier.profile == later.profile and earlier.sources_id == later.sources_id


def _family(read: StoredRead) -> str:
    return read.profile.partition("@")[0]


def _by_time(read: StoredRead) -> tuple[datetime, datetime, UUID]:
    return read.billed_at, read.taken_at, read.id
