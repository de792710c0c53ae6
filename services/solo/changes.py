"""What happens to a device between two reads, as rows to `SimulatedAgent.load`; pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.solo.simulator import Rows

PRINTER = "1.3.6.1.2.1.43"
GENERAL_CONFIG_CHANGES = f"{PRINTER}.5.1.1.1"
GENERAL_SERIAL = f"{PRINTER}.5.1.1.17"
LIFE_COUNT = f"{PRINTER}.10.2.1.4"
SUPPLIES = f"{PRINTER}.11.1.1"


def board_swapped(rows: Rows, *, life_count: int, serial: bytes | None = None) -> Rows:
    """The engine board was replaced: prtMarkerLifeCount is the new board's.

    Args:
        serial: the new board's prtGeneralSerialNumber; None where the device's own was set in it.
    """
    changed = dict(rows)
    for oid, (kind, _) in rows.items():
        if oid.startswith(f"{LIFE_COUNT}."):
            changed[oid] = (kind, life_count)
        elif serial is not None and oid.startswith(f"{GENERAL_SERIAL}."):
            changed[oid] = (kind, serial)
    return changed


def resupplied(rows: Rows, instances: Sequence[str], *, told: bool = True) -> Rows:
    """Its supplies are those of `instances` ("1.4"), numbered anew in that order.

    One left out was taken away; one named twice was joined by another of its kind.

    Args:
        told: prtGeneralConfigChanges rises by one, as RFC 3805 asks for.
    """
    others = {oid: row for oid, row in rows.items() if not oid.startswith(f"{SUPPLIES}.")}
    supplies = {}
    columns = {oid.split(".")[10] for oid in rows if oid.startswith(f"{SUPPLIES}.")}
    for number, instance in enumerate(instances, 1):
        device = instance.partition(".")[0]
        for column in columns:
            row = rows.get(f"{SUPPLIES}.{column}.{instance}")
            if row:
                supplies[f"{SUPPLIES}.{column}.{device}.{number}"] = row
    return {**(reconfigured(others) if told else others), **supplies}


def reconfigured(rows: Rows) -> Rows:
    """prtGeneralConfigChanges rises by one; RFC 3805 section 6."""
    changed = dict(rows)
    for oid, (kind, value) in rows.items():
        if oid.startswith(f"{GENERAL_CONFIG_CHANGES}.") and isinstance(value, int):
            changed[oid] = (kind, value + 1)
    return changed
