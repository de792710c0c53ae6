"""Which device a read is of. Pure: what the hub knows comes in, what to note goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.identity import MAX_LETTERS, usable_mac, usable_serial
from shared.messages import DeviceIdentity


@dataclass(frozen=True)
class Sighting:
    """A read, as far as it tells whose it is. `key` None: `held_because` says why."""

    read_id: UUID
    round_id: UUID
    target: str
    mac: str | None
    model: str | None
    key: str | None
    held_because: str | None = None


@dataclass(frozen=True)
class KnownDevice:
    site_id: int | None  # where it is assigned now
    held_because: str | None = None


@dataclass
class Placing:
    """What to note: each read's device, or why it is held; and what that changes."""

    device_keys: dict[UUID, str] = field(default_factory=dict)
    held: dict[UUID, str] = field(default_factory=dict)  # may hold reads that were placed before
    quarantined: dict[str, str] = field(default_factory=dict)  # key -> reason


def device_key(site: str, device: DeviceIdentity) -> tuple[str | None, str | None]:
    """(key, None), or (None, why the read is held).

    'serial MAKER SERIAL' within the customer; without a serial to rely on 'mac SITE aa:bb:…'.
    """
    serial, fault = usable_serial(device.serial)
    if serial:
        maker = " ".join((device.make or "").replace("\x00", "").upper().split())
        return f"serial {maker[:MAX_LETTERS] or '-'} {serial}", None
    mac = usable_mac(device.mac)
    if mac:
        return f"mac {site} {mac}", None
    return None, f"{fault}, and no MAC address to go by"


def without_serial(sighting: Sighting) -> bool:
    return sighting.key is not None and sighting.key.startswith("mac ")


def owned(sighting: Sighting, owners: Mapping[str, tuple[str, str | None]]) -> Sighting:
    """The sighting, held where it lacks the serial number of a device that has its MAC address.

    Some devices hide it while they start. As a device of its own, such a one would be billed
    twice. Printers of several models may share one print server, and its address.

    Args:
        owners: (key, model) of devices known by their serial number, by MAC address.
    """
    owner = owners.get(sighting.mac or "") if without_serial(sighting) else None
    if owner is None or (sighting.model and owner[1] and sighting.model != owner[1]):
        return sighting
    reason = f"it reports no serial number, and its MAC address is that of {_shown(owner[0])}"
    return replace(sighting, key=None, held_because=reason)


def place(
    site_id: int,
    sightings: Sequence[Sighting],
    known: Mapping[str, KnownDevice],
    placed_before: Iterable[Sighting],
) -> Placing:
    """Give each sighting its device, or hold it.

    Two live devices that show one serial are held both, and the key stays in quarantine until a
    person decides: else each would now and then be billed with the other's meters.

    Args:
        known: the customer's devices by key.
        placed_before: reads of the same rounds that already have a device, with its key.
    """
    placing = Placing()
    devices = dict(known)
    in_round: dict[tuple[str, UUID], list[Sighting]] = {}
    for earlier in placed_before:
        if earlier.key is not None:
            in_round.setdefault((earlier.key, earlier.round_id), []).append(earlier)
    for sighting in sightings:
        if sighting.key is None:
            placing.held[sighting.read_id] = sighting.held_because or "not known whose it is"
            continue
        device = devices.setdefault(sighting.key, KnownDevice(site_id))
        twins = in_round.setdefault((sighting.key, sighting.round_id), [])
        reason = device.held_because or _conflict(site_id, sighting, device, twins)
        if reason is None:
            placing.device_keys[sighting.read_id] = sighting.key
            twins.append(sighting)
            continue
        placing.held[sighting.read_id] = reason
        if device.held_because is None:
            devices[sighting.key] = KnownDevice(device.site_id, reason)
            placing.quarantined[sighting.key] = reason
            for twin in twins:
                placing.device_keys.pop(twin.read_id, None)
                placing.held[twin.read_id] = reason
    return placing


def _conflict(
    site_id: int, sighting: Sighting, device: KnownDevice, twins: Iterable[Sighting]
) -> str | None:
    shown = _shown(sighting.key or "")
    if device.site_id is not None and device.site_id != site_id:
        return (
            f"{shown} is assigned to another site of this customer:"
            " has the device moved, or do two devices show it?"
        )
    for twin in twins:
        # one device may answer at two addresses
        same = sighting.mac is not None and sighting.mac == twin.mac
        if twin.target != sighting.target and not (same and sighting.model == twin.model):
            return (
                f"{shown} answered in one round as {twin.target}"
                f" and as {sighting.target}: two devices show it"
            )
    return None


def _shown(key: str) -> str:
    return key.replace("serial ", "serial number ", 1)
