"""Which device a read is of. Pure: what the hub knows comes in, what to note goes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.ingest.boards import Holder, Macs, spelled_alike
from services.ingest.quick import QuickTarget
from shared.identity import MAX_LETTERS, usable_mac, usable_serial
from shared.messages import DeviceIdentity, ReportedTarget, SpooledTarget

_LONGEST_QUEUE = 255


class Sighting(Struct, frozen=True, gc=False):
    """A read, as far as it tells whose it is. `key` None: `held_because` says why."""

    read_id: UUID
    round_id: UUID
    target: str
    mac: str | None
    model: str | None
    key: str | None
    billed_at: datetime
    held_because: str | None = None

    @property
    def spooled(self) -> bool:
        return self.target.startswith("spooled:")


class KnownDevice(Struct, frozen=True, gc=False):
    site_id: int | None  # where it is assigned now
    held_because: str | None = None
    held_as: str | None = None
    held_at: datetime | None = None

    def holds(self, sighting: Sighting) -> bool:
        """Of two that show one key, what each showed before they did can be told."""
        if self.held_because is None:
            return False
        by_time = self.held_as in ("twins", "another_site") and self.held_at is not None
        return not (by_time and self.held_at and sighting.billed_at < self.held_at)


@dataclass(frozen=True)
class Hold:
    """Why all reads of a key wait for a person, since which one."""

    held_as: Literal["twins", "another_site", "board_replaced"]
    because: str
    at: datetime
    instead_of: str | None = None  # the key of the device whose board it may have


@dataclass
class Placing:
    """What to note: each read's device, or why it is held; and what that changes."""

    device_keys: dict[UUID, str] = field(default_factory=dict)
    held: dict[UUID, str] = field(default_factory=dict)  # may hold reads that were placed before
    quarantined: dict[str, Hold] = field(default_factory=dict)  # by key


def device_key(
    site: str, device: DeviceIdentity, target: ReportedTarget | QuickTarget
) -> tuple[str | None, str | None]:
    """(key, None), or (None, why the read is held).

    'serial MAKER SERIAL' within the customer; without a serial to rely on 'mac SITE aa:bb:…';
    without both, of a queue that a spooler named, 'spooled SITE HOST/QUEUE'.
    """
    serial, fault = usable_serial(device.serial)
    if serial:
        return f"serial {_maker(device.make or '')} {serial}", None
    mac = usable_mac(device.mac)
    if mac:
        return key_of_mac(site, mac), None
    if isinstance(target, SpooledTarget):
        queue = f"{target.spooled.host}/{target.spooled.queue}".lower()
        if len(queue) <= _LONGEST_QUEUE:
            return f"spooled {site} {queue}", None
    return None, f"{fault}, and no MAC address to go by"


@lru_cache(maxsize=256)
def _maker(make: str) -> str:
    return " ".join(make.replace("\x00", "").upper().split())[:MAX_LETTERS] or "-"


def key_of_mac(site: str, mac: str) -> str:
    return f"mac {site} {mac}"


def without_serial(sighting: Sighting) -> bool:
    return sighting.key is not None and sighting.key.startswith("mac ")


def holder(site_id: int, sighting: Sighting) -> Holder | None:
    """The device as one that has the MAC address; None where not both are told."""
    if not sighting.mac or not sighting.key or not sighting.key.startswith("serial "):
        return None
    at = sighting.billed_at
    return Holder(sighting.key, site_id, sighting.model, at, at, frozenset({sighting.round_id}))


def owned(sighting: Sighting, owner: Holder | None) -> Sighting:
    """The sighting, held where it lacks the serial number of a device that has its MAC address.

    Some devices hide it while they start. As a device of its own, such a one would be billed
    twice. Printers of several models may share one print server, and its address.
    """
    if owner is None or not without_serial(sighting):
        return sighting
    if sighting.model and owner.model and sighting.model != owner.model:
        return sighting
    reason = f"it reports no serial number, and its MAC address is that of {_shown(owner.key)}"
    return replace(sighting, key=None, held_because=reason)


def place(
    site_id: int,
    sightings: Sequence[Sighting],
    known: Mapping[str, KnownDevice],
    placed_before: Iterable[Sighting],
    macs: Macs,
) -> Placing:
    """Give each sighting its device, or hold it.

    Two live devices that show one serial are held both, and the key stays in quarantine until a
    person decides: else each would now and then be billed with the other's meters. So does a
    serial that is new, on a board that was another device's: its meters may go on or begin anew.

    Args:
        known: the customer's devices by key.
        placed_before: reads of the same rounds that already have a device, with its key.
        macs: who had the MAC addresses of these sightings before; is told who has them now.
    """
    placing = Placing()
    devices = dict(known)
    in_round: dict[tuple[str, UUID], list[Sighting]] = {}
    rounds: dict[UUID, set[str]] = {}
    for earlier in placed_before:
        in_round.setdefault((earlier.key or "", earlier.round_id), []).append(earlier)
        rounds.setdefault(earlier.round_id, set()).add(earlier.key or "")
    for sighting in sightings:
        rounds.setdefault(sighting.round_id, set()).add(sighting.key or "")
    for sighting in sightings:
        if sighting.key is None:
            placing.held[sighting.read_id] = sighting.held_because or "not known whose it is"
            continue
        twins = in_round.setdefault((sighting.key, sighting.round_id), [])
        device = devices.get(sighting.key)
        hold = None
        if device is None:
            hold = _replaced(site_id, sighting, macs, rounds.values())
        elif not device.holds(sighting):
            hold = _conflict(site_id, sighting, device, twins)
        device = devices.setdefault(sighting.key, KnownDevice(site_id))
        if hold:
            _quarantine(placing, sighting.key, hold, twins)
            device = KnownDevice(device.site_id, hold.because, hold.held_as, hold.at)
            devices[sighting.key] = device
        if device.holds(sighting):
            placing.held[sighting.read_id] = device.held_because or ""
            continue
        placing.device_keys[sighting.read_id] = sighting.key
        twins.append(sighting)
        if macs.asked(sighting.mac) and (shown := holder(site_id, sighting)):
            macs.note(sighting.mac or "", shown)
    return placing


def _quarantine(placing: Placing, key: str, hold: Hold, twins: Iterable[Sighting]) -> None:
    placing.quarantined[key] = hold
    for twin in twins:
        placing.device_keys.pop(twin.read_id, None)
        placing.held[twin.read_id] = hold.because


def _conflict(
    site_id: int, sighting: Sighting, device: KnownDevice, twins: Iterable[Sighting]
) -> Hold | None:
    """Why the key is in quarantine, from this read on."""
    shown = _shown(sighting.key or "")
    if device.site_id is not None and device.site_id != site_id:
        because = (
            f"{shown} is assigned to another site of this customer:"
            " has the device moved, or do two devices show it?"
        )
        return Hold("another_site", because, sighting.billed_at)
    for twin in twins:
        # one device may answer at two addresses, and stand in the list of a computer besides
        same = sighting.mac is not None and sighting.mac == twin.mac
        if (
            twin.target != sighting.target
            and not (same and sighting.model == twin.model)
            and not (sighting.spooled or twin.spooled)
        ):
            one, other = sorted((twin.target, sighting.target))
            because = f"{shown} answered in one round as {one} and as {other}: two devices show it"
            return Hold("twins", because, min(twin.billed_at, sighting.billed_at))
    return None


def _replaced(
    site_id: int, sighting: Sighting, macs: Macs, rounds: Iterable[Collection[str]]
) -> Hold | None:
    newcomer = holder(site_id, sighting)
    before = newcomer and macs.left_by(sighting.mac or "", newcomer)
    if not newcomer or not before:
        return None
    beside = any(newcomer.key in keys and before.key in keys for keys in rounds)
    if beside and not spelled_alike(newcomer.key, before.key):
        return None
    because = (
        f"{_shown(newcomer.key)} has the MAC address {sighting.mac} that {_shown(before.key)} had:"
        " was its board replaced? The meters may go on or begin anew, so a person decides"
    )
    return Hold("board_replaced", because, sighting.billed_at, before.key)


def _shown(key: str) -> str:
    return key.replace("serial ", "serial number ", 1)
