"""The workload of 124 varbinds: 20 single instances, 10 supplies and 3 alerts of 8 columns each.

It is what a monochrome machine of the standard Printer MIB answers, of a make that has no profile
of its own. Every simulated device bears its own name, address, serial number and count.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

NETWORK = "127.77.0.0/16"
SUPPLY_ENTRY = "1.3.6.1.2.1.43.11.1.1"
ALERT_ENTRY = "1.3.6.1.2.1.43.18.1.1"
TABLES = (SUPPLY_ENTRY, ALERT_ENTRY)
REPETITIONS = 20  # what peers walk with
VARBINDS = 124

# OID|tag|value; tags: 2 Integer32, 4 OctetString, 4x the same in hex, 6 OID, 65 Counter32,
# 67 TimeTicks
_SINGLE = """\
1.3.6.1.2.1.1.1.0|4|HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD153,EEPROM JSI24200009
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.11.2.3.9.1
1.3.6.1.2.1.1.3.0|67|{count}8640000
1.3.6.1.2.1.1.5.0|4|printer-{hex}
1.3.6.1.2.1.1.6.0|4|Main building, 2nd floor, room 214
1.3.6.1.2.1.2.2.1.3.1|2|6
1.3.6.1.2.1.2.2.1.6.1|4|{mac}
1.3.6.1.2.1.25.3.2.1.2.1|6|1.3.6.1.2.1.25.3.1.5
1.3.6.1.2.1.25.3.2.1.3.1|4|HP LaserJet Flow MFP M830
1.3.6.1.2.1.25.3.2.1.5.1|2|2
1.3.6.1.2.1.25.3.5.1.1.1|2|3
1.3.6.1.2.1.25.3.5.1.2.1|4x|2000
1.3.6.1.2.1.43.5.1.1.1.1|65|17
1.3.6.1.2.1.43.5.1.1.2.1|2|1
1.3.6.1.2.1.43.5.1.1.16.1|4|HP LaserJet Flow MFP M830 [{hex}]
1.3.6.1.2.1.43.5.1.1.17.1|4|CN{hex}
1.3.6.1.2.1.43.7.1.1.4.1.1|2|106
1.3.6.1.2.1.43.10.2.1.3.1.1|2|7
1.3.6.1.2.1.43.10.2.1.4.1.1|65|{count}241538
1.3.6.1.2.1.43.12.1.1.4.1.1|4|black
""".splitlines()

# marker, colorant, class, type, description, unit, capacity, level: prtMarkerSupplies 2 to 9
_SUPPLIES = (
    (1, 1, 3, 21, "Black Cartridge HP CF325X", 7, 40000, "{count}24800"),
    (1, 0, 3, 9, "Imaging Drum HP CF358A", 7, 30000, "{count}17400"),
    (1, 0, 3, 15, "Maintenance Kit HP C2H67A, 220V", 7, 200000, "{count}124000"),
    (1, 0, 3, 20, "Transfer Kit HP CF367A", 7, 200000, "{count}124000"),
    (1, 0, 3, 18, "Document Feeder Kit HP C1P70A", 8, 100000, "{count}61000"),
    (1, 0, 4, 4, "Toner Collection Unit", 7, 50000, "{count}21000"),
    (1, 0, 3, 10, "Developer Unit", 7, 300000, "{count}251000"),
    (1, 0, 3, 32, "Staple Cartridge 1 HP C8091A", 18, 50000, "{count}3200"),
    (1, 0, 3, 32, "Staple Cartridge 2 HP C8091A", 18, 50000, "{count}4100"),
    (1, 0, 3, 19, "Fuser Cleaning Unit", 7, 200000, "{count}88000"),
)
# severity, training, group, group's index, location, code, description, time: prtAlert 2 to 9
_ALERTS = (
    (4, 5, 8, 2, 2, 808, "Tray 2 empty: A4, plain", 8123400),
    (4, 3, 11, 1, 1, 1104, "Black cartridge low", 8311200),
    (1, 2, 5, 1, -1, 503, "Sleep mode on", 8600000),
)
_AFTER = "1.3.6.1.4.1.11.2.3.9.4.2.1.1.1.2.0|2|1"  # not asked for: where a walk sees its end
SCALARS = tuple(line.partition("|")[0] for line in _SINGLE)


def recording() -> Iterator[str]:
    """The lines of the .snmprec file that every simulated device answers from."""
    yield from _SINGLE
    yield from _cells(SUPPLY_ENTRY, [(f"1.{at}", row) for at, row in enumerate(_SUPPLIES, 1)])
    yield from _cells(ALERT_ENTRY, [(f"1.{at}", row) for at, row in enumerate(_ALERTS, 1)], {9: 67})
    yield _AFTER


def _cells(
    entry: str, rows: list[tuple[str, tuple[int | str, ...]]], tags: dict[int, int] | None = None
) -> Iterator[str]:
    for instance, row in rows:
        for column, value in enumerate(row, 2):
            text = isinstance(value, str) and not value.startswith("{count}")
            tag = (tags or {}).get(column, 4 if text else 2)
            yield f"{entry}.{column}.{instance}|{tag}|{value}"


def addresses(count: int) -> list[str]:
    first = int(ip_address(NETWORK.partition("/")[0])) + 1
    return [str(ip_address(first + number)) for number in range(count)]
