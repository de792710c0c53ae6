"""Stored reads through changed profiles: what would differ, a device at a time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid5

from services.poller.profile import Profile, ProfileError, load_profiles
from services.poller.recognise import Profiles
from services.poller.stored import Replay, Replayed, meters_digest, profile_now
from shared.messages import MeterRead, usual_unit
from shared.store.corrections import Correction, KeptRead, SiteOfCustomer

_MAX_METERS = 500  # of a device that are told one by one
_MAX_NOTES = 50


@dataclass(frozen=True)
class Changed:
    """The profiles that stored reads are replayed through."""

    names: Collection[str]  # only reads that had, have or would now have one of these
    profiles: Profiles
    known: Mapping[str, Profile]  # by label, as reads were made with them
    digests: Mapping[str, str]  # of `profiles`, by name
    unclear: Collection[str]  # labels that two unlike profiles have
    _replays: dict[tuple[str, str], Replay] = field(default_factory=dict)

    def of(self, read: MeterRead, in_force: str) -> Profile | None:
        """The profile that a read is replayed through; None where it is left alone.

        Raises: ProfileError.
        """
        profile = profile_now(read, self.profiles)
        if profile is None:
            return None
        families = {profile.profile, _family(read.profile), _family(in_force)}
        if families.isdisjoint(self.names):
            return None
        if profile.label in self.unclear:
            raise ProfileError(f"two profiles are {profile.label}: raise the version of one")
        return profile

    def replay(self, profile: Profile, read: MeterRead) -> Replayed:
        """The read through a profile. One of the read's label that gives other meters is not what
        it was made with: then only what was kept is known."""
        was = self.known.get(read.profile)
        if was is not None and not self._replay(was, was).says_the_same(read):
            was = None
        return self._replay(profile, was).of(read)

    def _replay(self, profile: Profile, was: Profile | None) -> Replay:
        pair = profile.label, was.label if was else ""
        if pair not in self._replays:
            self._replays[pair] = Replay(profile, was)
        return self._replays[pair]


def changed_profiles(names: Sequence[str], folder: Path | None, earlier: Sequence[Path]) -> Changed:
    """
    Args:
        names: none for those of `folder`; without a folder, all.
        folder: of profiles beside the built-in ones.
        earlier: folders of profiles as they were when reads were made.

    Raises: ProfileError.
    """
    loaded = load_profiles(*([folder] if folder else []))
    for name in names:
        if name not in loaded:
            raise ProfileError(f"no profile {name!r}; known: {', '.join(sorted(loaded))}")
    own = [file.stem for file in folder.glob("*.yaml")] if folder else []
    before = [load_profiles(), *(load_profiles(each) for each in earlier)]
    known = {profile.label: profile for each in before for profile in each.values()}
    digests = {name: meters_digest(profile) for name, profile in loaded.items()}
    unclear = frozenset(
        profile.label
        for name, profile in loaded.items()
        if meters_digest(known.setdefault(profile.label, profile)) != digests[name]
    )
    return Changed(frozenset(names or own or loaded), Profiles(loaded), known, digests, unclear)


class Difference(NamedTuple):
    """A read as it is in force and as it is replayed."""

    kept: KeptRead
    read: MeterRead
    profile: Profile
    digest: str  # of the profile
    replayed: Replayed

    @property
    def in_force(self) -> MeterRead | Correction:
        return self.kept.correction or self.read

    @property
    def differs(self) -> bool:
        """Whether anything would come out otherwise that a volume depends on."""
        was, now = self.in_force, self.replayed
        return (
            _family(was.profile) != self.profile.profile
            or dict(was.meters) != now.meters.counts
            or dict(was.sources) != now.meters.sources
            or _units(was.meters, was.units) != _units(now.meters.counts, now.meters.units)
            or (was.basis, was.large_counts) != (now.basis, now.large_counts)
        )

    @property
    def lost(self) -> list[str]:
        """Meters that are in force and would be absent, because a row was not kept."""
        not_read, known = self.replayed.not_read, self.profile.meters
        gone = self.in_force.meters.keys() - self.replayed.meters.counts.keys()
        # a table whose rows are meters of their own may not have been kept
        return sorted(name for name in gone if name in not_read or (not_read and name not in known))

    def meters(self) -> Iterator[tuple[str, int | None, int | None]]:
        """Name, count in force and count replayed, of meters whose count, unit or row differs."""
        was, now = self.in_force, self.replayed.meters
        for name in sorted(was.meters.keys() | now.counts.keys()):
            before = was.meters.get(name), was.units.get(name), was.sources.get(name)
            after = now.counts.get(name), now.units.get(name), now.sources.get(name)
            if before != after:
                yield name, before[0], after[0]

    def correction(self, author: str, reason: str, now: datetime) -> Correction:
        meters = self.replayed.meters
        replaces = self.kept.correction.id if self.kept.correction else self.kept.id
        lacking = [
            f"not read: {name}: the row {row} was not kept"
            for name, row in self.replayed.not_read.items()
        ]
        return Correction(
            id=uuid5(replaces, f"corrected {self.profile.label} {self.digest}"),
            read=self.kept.id,
            read_digest=self.kept.digest.hex(),
            replaces=replaces,
            profile=self.profile.label,
            profile_digest=self.digest,
            author=author,
            reason=reason,
            corrected_at=now,
            meters=meters.counts,
            no_meters_because=self.replayed.no_meters_because,
            notes=[*meters.notes, *lacking][:_MAX_NOTES],
            sources=meters.sources,
            basis=self.replayed.basis,
            large_counts=self.replayed.large_counts,
            units=meters.units,
        )


def difference(kept: KeptRead, changed: Changed) -> Difference | None:
    """None where the read is not one of the changed profiles'. Raises: ProfileError."""
    read = MeterRead.model_validate_json(kept.body)
    profile = changed.of(read, kept.correction.profile if kept.correction else read.profile)
    if profile is None:
        return None
    digest = changed.digests[profile.profile]
    return Difference(kept, read, profile, digest, changed.replay(profile, read))


class Seen(NamedTuple):
    at: datetime
    was: int | None
    now: int | None


@dataclass
class MeterDifference:
    """A meter of a device over the reads in which it differs: the first, the last, how many."""

    first: Seen
    last: Seen
    reads: int = 1


@dataclass
class DeviceDifference:
    site: SiteOfCustomer
    make: str | None
    model: str | None
    serial: str | None
    target: str
    was: str  # the profile in force at the first read
    now: str
    first_at: datetime
    last_at: datetime
    reads: int = 0  # that differ
    meters: dict[str, MeterDifference] = field(default_factory=dict)
    not_read: dict[str, str] = field(default_factory=dict)  # meter -> a row that was not kept
    lost: set[str] = field(default_factory=set)  # of these, those that it has now

    def add(self, one: Difference) -> None:
        at = one.kept.billed_at
        self.last_at, self.now = at, one.profile.label
        self.reads += one.differs
        self.lost.update(one.lost)
        for name, row in one.replayed.not_read.items():
            if len(self.not_read) < _MAX_METERS:
                self.not_read.setdefault(name, row)
        for name, was, now in one.meters():
            seen = Seen(at, was, now)
            known = self.meters.get(name)
            if known:
                known.last, known.reads = seen, known.reads + 1
            elif len(self.meters) < _MAX_METERS:
                self.meters[name] = MeterDifference(seen, seen)


Key = tuple[int, int | str, str | None]


def key_of(kept: KeptRead, read: MeterRead) -> Key:
    """One for the reads of a device; a read that is no device's yet goes by what it says."""
    if kept.device_id is not None:
        return kept.site_id, kept.device_id, None
    return kept.site_id, read.target.key, read.device.serial


class Differences:
    """What was seen, by device: it grows with devices and never with reads."""

    def __init__(self) -> None:
        self.reads = 0
        self.devices: set[Key] = set()
        self.by_device: dict[Key, DeviceDifference] = {}

    def add(self, site: SiteOfCustomer, one: Difference) -> None:
        key = key_of(one.kept, one.read)
        self.reads += 1
        self.devices.add(key)
        if not one.differs and not one.replayed.not_read:
            return
        known = self.by_device.get(key)
        if known is None:
            device, at = one.read.device, one.kept.billed_at
            known = self.by_device[key] = DeviceDifference(
                *(site, device.make, device.model, device.serial, one.read.target.key),
                *(one.in_force.profile, one.profile.label, at, at),
            )
        known.add(one)

    def counts(self) -> dict[str, int]:
        return {
            "devices": len(self.devices),
            "differ": sum(1 for device in self.by_device.values() if device.reads),
            "losing": len(self.losing),
            "reads": self.reads,
            "reads_that_differ": sum(device.reads for device in self.by_device.values()),
        }

    def to_correct(self, refused: Collection[Key]) -> tuple[int, int]:
        """How many reads of how many devices differ, without those refused."""
        reads = [d.reads for key, d in self.by_device.items() if d.reads and key not in refused]
        return sum(reads), len(reads)

    @property
    def losing(self) -> set[Key]:
        """Devices of which a meter would be lost."""
        return {key for key, device in self.by_device.items() if device.lost}


def _units(meters: Collection[str], units: Mapping[str, str]) -> dict[str, str]:
    return {name: units.get(name) or usual_unit(name) for name in meters}


def _family(label: str) -> str:
    return label.partition("@")[0]
