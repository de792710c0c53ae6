"""A stored read by another profile: its meters made anew from the varbinds that it kept; pure.

What was not kept is not known. A row is absent from a read because the device has none, or because
nobody asked for it: only the profile that the read was made with can tell which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from services.poller.decode import (
    Meters,
    counting,
    read_meters,
    why_no_meters,
)
from services.poller.kept import MAX_VARBINDS
from services.poller.profile import Profile
from services.poller.profile_rows import MeterRow
from services.poller.recognise import Profiles
from services.poller.rows import COUNT_TYPES, Rows
from shared.messages import MeterRead
from shared.snmp.port import Value, Varbind


class Replayed(NamedTuple):
    meters: Meters
    not_read: dict[str, str]  # meter -> a row that was not kept: nobody knows its count
    no_meters_because: str | None
    basis: Literal["life", "equivalent"] | None
    large_counts: Literal[1, 2] | None


def profile_now(read: MeterRead, profiles: Profiles) -> Profile | None:
    """The profile that the read's device would have now; None where the read's own is not loaded.

    By sysObjectID and sysDescr, which a read keeps. Makers' own rows, by which a device is told
    that says neither, may not have been kept: such a one stays with the profile it had, and so
    does one whose sysDescr the site withholds, where the number alone may be another maker's.
    """
    own = profiles.by_name.get(read.profile.partition("@")[0])
    if own is None or not read.device.sys_object_id:
        return own
    if not read.device.description and any(match.both for match in own.match):
        return own
    choice = profiles.choose(read.device.sys_object_id, read.device.description)
    return choice.profile if choice.recognised else own


class Replay:
    """Reads of one profile through another."""

    def __init__(self, profile: Profile, was: Profile | None) -> None:
        """
        Args:
            was: the profile that the reads were made with, which says what was asked for; None
                where it is not there any more: then only what was kept is known, and no table is
                known whole.
        """
        self._profile = profile
        rows = was.counter_rows if was is not None else []
        self._asked = frozenset(oid for row in rows for oid in row.oids)
        self._walked = frozenset(column for row in rows for column in row.columns)
        before = was.meters if was is not None else {}
        self._unchanged = frozenset(
            name
            for name, ways in profile.meters.items()
            if _unsourced(ways) == _unsourced(before.get(name, []))
        )

    def of(self, read: MeterRead) -> Replayed:
        kept = _Kept(read, self._asked, self._walked)
        rows = kept.rows(self._profile)
        known, unknown = self._known(kept, self._as_before(read, rows))
        meters = read_meters(rows, self._profile.model_copy(update={"meters": known}))
        not_read = {name: row for name, row in unknown.items() if name not in meters.counts}
        for check in self._profile.checks:
            together = [check.whole, *check.parts]
            row = next((not_read[name] for name in together if name in not_read), None)
            if row is not None:
                absent = (name for name in check.parts if name in meters.missing)
                not_read |= {name: row for name in absent if name not in not_read}
        no_meters = None if meters.counts else why_no_meters(meters)
        if no_meters and not_read:
            name, row = next(iter(not_read.items()))
            no_meters = f"no {name}: the row {row} was not kept"
        return Replayed(meters, not_read, no_meters, *counting(meters, self._profile))

    def says_the_same(self, read: MeterRead) -> bool:
        """Whether the profile can be the one that the read was made with."""
        replayed = self.of(read)
        counts, sources = replayed.meters.counts, replayed.meters.sources
        return counts.keys() <= read.meters.keys() and all(
            name in replayed.not_read
            if name not in counts
            else (counts[name], sources[name]) == (count, read.sources.get(name))
            for name, count in read.meters.items()
        )

    def _known(
        self, kept: _Kept, as_before: frozenset[str]
    ) -> tuple[dict[str, list[MeterRow]], dict[str, str]]:
        """The ways to each meter as far as they can be gone, and the row that is lacking then."""
        known: dict[str, list[MeterRow]] = {}
        unknown: dict[str, str] = {}
        for name, ways in self._profile.meters.items():
            known[name] = []
            for way in ways:
                lacking = None if name in as_before else next(kept.lacking(way), None)
                if lacking is not None:
                    unknown[name] = lacking
                # a sum of what is present shows by its check whether all of it is there
                if lacking is not None and not way.where_present:
                    break
                known[name].append(way)
        return known, unknown

    def _as_before(self, read: MeterRead, rows: Rows) -> frozenset[str]:
        """Meters that come out as they did, by the same ways: the read keeps all behind a count,
        even where other rows found no room."""
        if not self._unchanged:
            return self._unchanged
        ways = {name: self._profile.meters[name] for name in self._unchanged}
        again = read_meters(rows, self._profile.model_copy(update={"meters": ways, "checks": []}))
        return frozenset(
            name
            for name in self._unchanged & again.counts.keys()
            if again.counts[name] == read.meters.get(name)
            and again.sources[name] == read.sources.get(name)
        )


def _unsourced(ways: Iterable[MeterRow]) -> list[dict[str, Any]]:
    return [way.model_dump(exclude={"source"}) for way in ways]


def meters_digest(profile: Profile) -> str:
    """SHA-256, in hex, of all in a profile that a number depends on."""
    said = profile.model_dump(
        mode="json",
        include={"meters", "checks", "basis", "large_counts"},
        exclude_defaults=True,
    )
    return hashlib.sha256(json.dumps(_without_source(said), sort_keys=True).encode()).hexdigest()


def _without_source(said: object) -> object:
    if isinstance(said, dict):
        return {key: _without_source(each) for key, each in said.items() if key != "source"}
    return [_without_source(each) for each in said] if isinstance(said, list) else said


class _Kept:
    """The varbinds of a read, and which rows are known to be absent."""

    def __init__(self, read: MeterRead, asked: frozenset[str], walked: frozenset[str]) -> None:
        varbinds = (_varbind(oid, *kept) for oid, kept in read.varbinds.items())
        self._varbinds = {varbind.oid: varbind for varbind in varbinds if varbind}
        whole = self._whole(read)
        self._asked = asked if whole else frozenset()
        self._walked = walked if whole else frozenset()

    def rows(self, profile: Profile) -> Rows:
        """All of it as single instances, and the cells of the profile's tables as columns too."""
        rows = Rows()
        rows.take(self._varbinds)
        columns = {column for way in profile.counter_rows for column in way.columns}
        rows.take_table({column: self._cells(column) for column in columns})
        return rows

    def lacking(self, way: MeterRow) -> Iterator[str]:
        """Rows of a way to a meter of which nobody knows what they held."""
        yield from (o for o in way.oids if o not in self._varbinds and o not in self._asked)
        yield from (column for column in way.columns if column not in self._walked)
        labels = (cell for each in way.where for cell in self._cells(each.column).values())
        yield from (label.oid for label in labels if not _plain(label.value))

    def _cells(self, column: str) -> dict[str, Varbind]:
        start = column + "."
        return {
            oid[len(start) :]: varbind
            for oid, varbind in self._varbinds.items()
            if oid.startswith(start)
        }

    def _whole(self, read: MeterRead) -> bool:
        """Whether the read keeps all that came: nothing was cut, withheld or broken off."""
        used = {oid for oids in read.sources.values() for oid in oids}
        return (
            used <= self._varbinds.keys()
            and len(read.varbinds) < MAX_VARBINDS
            and not any(note.startswith(("not read", "not kept")) for note in read.notes)
        )


def _plain(label: Value) -> bool:
    """Whether a label is the same text in any character set that a device may declare."""
    if not isinstance(label, bytes):
        return True
    try:
        return "\x00" not in label.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _varbind(oid: str, kind: str, value: int | str | None) -> Varbind | None:
    """As it came; None for what no varbind can have been."""
    try:
        if kind in ("OctetString", "Opaque"):
            return Varbind(oid, kind, bytes.fromhex(value)) if isinstance(value, str) else None
        if kind in COUNT_TYPES and isinstance(value, str):
            return Varbind(oid, kind, int(value))  # beyond 64 bits
    except ValueError:
        return None
    return Varbind(oid, kind, value)
