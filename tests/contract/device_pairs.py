"""Devices of which the one takes the other's address, and devices that change: rows before, after.

Each pair is unlike in every field that a read holds and the two need not share.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.solo.changes import board_swapped, reconfigured, resupplied
from services.solo.simulator import Rows
from tests.contract.polled import walk

SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SERIAL = "1.3.6.1.2.1.43.5.1.1.17.1"
MAKERS_SERIAL = "1.3.6.1.4.1.1347.43.5.1.1.28.1"
PHYS_ADDRESS = "1.3.6.1.2.1.2.2.1.6.2"
SUPPLIES = "1.3.6.1.2.1.43.11.1.1"
ALERTS = "1.3.6.1.2.1.43.18."
_COUNTS = ("1.3.6.1.4.1.1347.42.", "1.3.6.1.4.1.1347.43.10.", "1.3.6.1.2.1.43.10.2.1.4.")
_LEVELS = (f"{SUPPLIES}.8.", f"{SUPPLIES}.9.")
_NAMES = ("1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.6.0", f"{SUPPLIES}.6.", f"{ALERTS}1.1.8.")
LIFE_COUNT = "1.3.6.1.2.1.43.10.2.1.4"
DAY = 8_640_000

NO_SERIAL = b"XXXXXXXXXX"  # what such devices say instead

COLOUR, MONO, NAMELESS = walk("kyocera-colour-mfp"), walk("mono-laser"), walk("no-serial")


def another(rows: Rows, *, uptime: int = 0, serial: bytes | None = b"PGT4K99999") -> Rows:
    """Another device of the same model: each count, level, name and address is its own.

    Args:
        uptime: is added to the time since its start, in hundredths of a second.
        serial: None where it tells none.
    """
    other = dict(rows)
    for oid, (kind, value) in rows.items():
        if isinstance(value, int) and oid.startswith(_COUNTS):
            other[oid] = (kind, 2 * value)
        elif isinstance(value, int) and oid.startswith(_LEVELS):
            other[oid] = (kind, value + 7)
        elif isinstance(value, int) and oid == SYS_UP_TIME:
            other[oid] = (kind, value + uptime)
        elif oid.startswith(_NAMES):
            other[oid] = (kind, b"another")
        elif oid in {SERIAL, MAKERS_SERIAL}:
            other[oid] = (kind, serial or b"")
    other[PHYS_ADDRESS] = ("OctetString", bytes([2, 0, 0x5E, 9, 9, 9]))
    return {o: row for o, row in other.items() if serial or o not in {SERIAL, MAKERS_SERIAL}}


def later(rows: Rows) -> Rows:
    """The same device, in which everything that may change has, untold."""
    told = {oid: rows[oid] for oid in (SERIAL, MAKERS_SERIAL, PHYS_ADDRESS) if oid in rows}
    return {**another(rows, uptime=DAY), **told}


def restarted(rows: Rows) -> Rows:
    """The same device after a start: without its third supply and without alerts."""
    gone = [oid for oid in rows if oid.startswith(SUPPLIES) and oid.endswith(".1.3")]
    gone += [oid for oid in rows if oid.startswith(ALERTS)]
    kept = {oid: row for oid, row in rows.items() if oid not in gone}
    return {**kept, SYS_UP_TIME: ("TimeTicks", 60)}


def up(rows: Rows, ticks: int) -> Rows:
    return {**rows, SYS_UP_TIME: ("TimeTicks", ticks)}


SWITCH: Rows = {
    "1.3.6.1.2.1.1.1.0": ("OctetString", b"ProCurve J9623A 2620-24 Switch"),
    "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.11.2.3.7.11.128"),
    SYS_UP_TIME: ("TimeTicks", 4 * 10**9),
    "1.3.6.1.2.1.1.5.0": ("OctetString", b"switch-1"),
    "1.3.6.1.2.1.1.6.0": ("OctetString", b"Cupboard"),
}
SILENT_ABOUT_SERIAL = another(COLOUR, uptime=DAY, serial=None)
OTHERS: Mapping[str, tuple[Rows, Rows]] = {
    "another maker's, with fewer supplies": (COLOUR, up(MONO, 3 * 10**9)),
    "another maker's, with more supplies": (MONO, COLOUR),
    "same model, started before": (COLOUR, another(COLOUR, uptime=DAY)),
    "same model, started after": (COLOUR, another(COLOUR, uptime=-DAY)),
    "same model, started in the same second": (COLOUR, another(COLOUR)),
    "same model, which tells no serial": (COLOUR, SILENT_ABOUT_SERIAL),
    "same model, after one that tells no serial": (SILENT_ABOUT_SERIAL, up(COLOUR, 4 * 10**9)),
    "no serial, another MAC address": (NAMELESS, another(NAMELESS, uptime=DAY, serial=NO_SERIAL)),
    "no serial, started in the same second": (NAMELESS, another(NAMELESS, serial=NO_SERIAL)),
    "the same, restarted with fewer rows": (COLOUR, restarted(COLOUR)),
    "no printer": (COLOUR, SWITCH),
    "a printer after a switch": (up(SWITCH, 1), COLOUR),
}
TURNED = ["1.5", "1.4", "1.3", "1.2", "1.1"]
CHANGED: Mapping[str, tuple[Rows, Rows]] = {
    "all that it counts and names": (COLOUR, later(COLOUR)),
    "a second marker, untold": (MONO, {**MONO, f"{LIFE_COUNT}.1.2": ("Counter32", 5)}),
    "a new board with the old serial": (MONO, board_swapped(MONO, life_count=12)),
    "a new board": (MONO, board_swapped(MONO, life_count=12, serial=b"NEW0000001")),
    "a supply is gone": (COLOUR, resupplied(COLOUR, TURNED[1:])),
    "a supply more": (COLOUR, resupplied(COLOUR, [*TURNED, "1.2"])),
    "supplies in another order": (COLOUR, resupplied(COLOUR, TURNED)),
    "supplies in another order, untold": (COLOUR, resupplied(COLOUR, TURNED, told=False)),
    "a supply is gone, untold": (COLOUR, resupplied(COLOUR, ["1.1", "1.3"], told=False)),
    "a supply more, untold": (MONO, resupplied(MONO, ["1.1", "1.2", "1.2"], told=False)),
    "no alert any more": (COLOUR, {o: r for o, r in COLOUR.items() if not o.startswith(ALERTS)}),
    "a maker's counter more": ({o: r for o, r in COLOUR.items() if "1347.43.10." not in o}, COLOUR),
    "a maker's counter more, told": (
        {o: r for o, r in COLOUR.items() if "1347.43.10." not in o},
        reconfigured(COLOUR),
    ),
}
