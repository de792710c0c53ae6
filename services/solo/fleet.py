"""The demo's fleet: simulated devices on loopback addresses, with counters that move.

Every printer answers the standard MIBs (RFC 2790, RFC 3805); the Kyoceras answer their maker's
rows as well. Serials and numbers are made up.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from services.solo import gateway
from services.solo.simulator import SimulatedAgent
from shared.snmp.port import Value

FIRST_ADDRESS = IPv4Address("127.20.0.1")
NETWORK = gateway.OFFICE
PORT = 16161

SYSTEM = "1.3.6.1.2.1.1"
HOST_DEVICE = "1.3.6.1.2.1.25.3"
PRINTER = "1.3.6.1.2.1.43"
KYOCERA = "1.3.6.1.4.1.1347"
IMPRESSIONS = 7
TONER, WASTE_TONER, INK_CARTRIDGE, DRUM = 3, 4, 6, 9
PERCENT = 19
CONSUMED, FILLED = 3, 4


_Rows = dict[str, tuple[str, Value | Callable[[], Value]]]


@dataclass(frozen=True)
class Supply:
    description: str
    kind: int
    colorant: str | None
    level: int
    max_capacity: int = 100
    unit: int = PERCENT


@dataclass
class SimulatedPrinter:
    """One device; `mono` and `color` are the impressions made so far, by function."""

    model: str
    description: str  # sysDescr
    object_id: str
    serial: str
    counts: dict[str, int]  # "print_mono" … "copy_color"; the total is their sum
    supplies: tuple[Supply, ...]
    counter_unit: int = IMPRESSIONS
    v1_only: bool = False
    device_index: int = 1
    rng: random.Random = field(default_factory=random.Random)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def advance(self) -> None:
        """A few hours of work: every function that the device has makes some pages."""
        for function in self.counts:
            self.counts[function] += self.rng.randint(0, 60)

    def rows(self, position: int) -> _Rows:
        """All rows of the device; the counters are asked at the moment of the answer."""
        index = self.device_index
        rows: _Rows = {
            f"{SYSTEM}.1.0": ("OctetString", self.description.encode()),
            f"{SYSTEM}.2.0": ("ObjectIdentifier", self.object_id),
            f"{SYSTEM}.3.0": ("TimeTicks", 8_640_000),
            f"{SYSTEM}.5.0": ("OctetString", f"printer-{position:02}".encode()),
            f"{SYSTEM}.6.0": ("OctetString", f"Floor {position % 4 + 1}".encode()),
            "1.3.6.1.2.1.2.2.1.3.1": ("Integer32", 6),
            "1.3.6.1.2.1.2.2.1.6.1": ("OctetString", bytes([2, 0, 94, 16, 0, position])),
            f"{HOST_DEVICE}.2.1.2.{index}": ("ObjectIdentifier", f"{HOST_DEVICE}.1.5"),
            f"{HOST_DEVICE}.2.1.3.{index}": ("OctetString", self.model.encode()),
            f"{HOST_DEVICE}.2.1.5.{index}": ("Integer32", 2),
            f"{HOST_DEVICE}.5.1.1.{index}": ("Integer32", 3),
            f"{HOST_DEVICE}.5.1.2.{index}": ("OctetString", b"\x00"),
            f"{PRINTER}.5.1.1.1.{index}": ("Counter32", 0),
            f"{PRINTER}.5.1.1.16.{index}": ("OctetString", self.model.encode()),
            f"{PRINTER}.5.1.1.17.{index}": ("OctetString", self.serial.encode()),
            f"{PRINTER}.10.2.1.3.{index}.1": ("Integer32", self.counter_unit),
            f"{PRINTER}.10.2.1.4.{index}.1": ("Counter32", lambda: self.total),
            f"{PRINTER}.10.2.1.6.{index}.1": ("Integer32", 4 if self.color_functions else 1),
        }
        colorants = [supply.colorant for supply in self.supplies if supply.colorant]
        for number, colorant in enumerate(dict.fromkeys(colorants), start=1):
            rows[f"{PRINTER}.12.1.1.4.{index}.{number}"] = ("OctetString", colorant.encode())
        for number, supply in enumerate(self.supplies, start=1):
            of = list(dict.fromkeys(colorants)).index(supply.colorant) + 1 if supply.colorant else 0
            kind = FILLED if supply.kind == WASTE_TONER else CONSUMED
            row = f"{index}.{number}"
            rows |= {
                f"{PRINTER}.11.1.1.2.{row}": ("Integer32", 1),
                f"{PRINTER}.11.1.1.3.{row}": ("Integer32", of),
                f"{PRINTER}.11.1.1.4.{row}": ("Integer32", kind),
                f"{PRINTER}.11.1.1.5.{row}": ("Integer32", supply.kind),
                f"{PRINTER}.11.1.1.6.{row}": ("OctetString", supply.description.encode()),
                f"{PRINTER}.11.1.1.7.{row}": ("Integer32", supply.unit),
                f"{PRINTER}.11.1.1.8.{row}": ("Integer32", supply.max_capacity),
                f"{PRINTER}.11.1.1.9.{row}": ("Integer32", supply.level),
            }
        return rows

    @property
    def color_functions(self) -> bool:
        return any(function.endswith("_color") for function in self.counts)

    def meters(self) -> dict[str, int]:
        """What a right read of the device says now, by meter name."""
        return {"total": self.total}


class SimulatedKyocera(SimulatedPrinter):
    """Answers 1347.43.10 (billed total) and 1347.42.3.1.2 (function by colour) as well.

    prtMarkerLifeCount stands 1 % above the billed total, as captures of real ones do.
    """

    def rows(self, position: int) -> _Rows:
        rows = super().rows(position)
        rows[f"{PRINTER}.10.2.1.4.{self.device_index}.1"] = ("Counter32", lambda: self.life_count)
        rows[f"{KYOCERA}.43.5.1.1.1.1"] = ("OctetString", self.model.encode())
        rows[f"{KYOCERA}.43.5.1.1.28.1"] = ("OctetString", self.serial.encode())
        rows[f"{KYOCERA}.43.10.1.1.12.1.1"] = ("Counter32", lambda: self.total)
        for name, function in (("print", 1), ("copy", 2)):
            rows[f"{KYOCERA}.42.3.1.1.1.1.{function}"] = ("Counter32", partial(self._made_by, name))
        for name, (function, colour) in _KYOCERA_ROWS.items():
            rows[f"{KYOCERA}.42.3.1.2.1.1.{function}.{colour}"] = (
                "Counter32",
                partial(self.counts.get, name, 0),
            )
        return rows

    @property
    def life_count(self) -> int:
        return self.total + self.total // 100

    def _made_by(self, function: str) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith(function))

    def meters(self) -> dict[str, int]:
        return {"total": self.total, **self.counts}


_KYOCERA_ROWS = {
    "print_mono": (1, 1),
    "print_color": (1, 3),
    "copy_mono": (2, 1),
    "copy_color": (2, 3),
}


def _toner(*colorants: str) -> tuple[Supply, ...]:
    return tuple(
        Supply(f"{colorant.title()} Toner", TONER, colorant, 20 + 15 * number)
        for number, colorant in enumerate(colorants)
    )


_CMYK = ("black", "cyan", "magenta", "yellow")
_WASTE = Supply("Waste Toner Box", WASTE_TONER, None, -3, -2)


def printers() -> list[SimulatedPrinter]:
    """The printers of the demo, with the counts of their first day."""
    mono, full = {"print_mono": 12_804}, {"print_mono": 30_112, "print_color": 8_455}
    copier = {
        "print_mono": 210_044,
        "print_color": 96_310,
        "copy_mono": 51_002,
        "copy_color": 9_870,
    }
    ent = "1.3.6.1.4.1"
    kyocera_system = "KYOCERA Document Solutions Printing System"
    jetdirect = "HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT"
    return [
        SimulatedKyocera("TASKalfa 4054ci", kyocera_system,
                         f"{ent}.1347.41", "DM4K000417", dict(copier), (*_toner(*_CMYK), _WASTE)),
        SimulatedKyocera("ECOSYS M3645dn", kyocera_system,
                         f"{ent}.1347.41", "DM4K000902",
                         {"print_mono": 84_120, "copy_mono": 20_655},
                         (*_toner("black"), _WASTE)),
        SimulatedPrinter("HP LaserJet Pro M404dn", jetdirect,
                         f"{ent}.11.2.3.9.1", "DMHP001204", dict(mono), _toner("black")),
        SimulatedPrinter("HP Color LaserJet M553", jetdirect,
                         f"{ent}.11.2.3.9.1", "DMHP001877", dict(full), _toner(*_CMYK)),
        SimulatedPrinter("RICOH IM C3000", "RICOH IM C3000 1.10 / RICOH Network Printer C model",
                         f"{ent}.367.1.1", "DMRI330021", dict(copier), (*_toner(*_CMYK), _WASTE)),
        SimulatedPrinter("Canon iR-ADV C3530", "Canon iR-ADV C3530 /P", f"{ent}.1602.4.7",
                         "DMCA551090", dict(copier), _toner(*_CMYK)),
        SimulatedPrinter("KONICA MINOLTA bizhub C308", "KONICA MINOLTA bizhub C308",
                         f"{ent}.18334.1.2.1.2.1", "DMKM308114", dict(copier),
                         (*_toner(*_CMYK), _WASTE)),
        SimulatedPrinter("Xerox VersaLink C405", "Xerox VersaLink C405; System 68.60.1",
                         f"{ent}.253.8.62.1.36", "DMXE405733", dict(full), _toner(*_CMYK)),
        SimulatedPrinter("Lexmark MX521de", "Lexmark MX521de version MXTGM.052",
                         f"{ent}.641.2.71303", "DMLX521008", dict(mono), _toner("black")),
        SimulatedPrinter("Brother HL-L6300DW series", "Brother NC-8400w, Firmware Ver.1.14",
                         f"{ent}.2435.2.3.9.1", "DMBR630044", dict(mono),
                         (Supply("Black Toner Cartridge", TONER, "black", -3, -2),
                          Supply("Drum Unit", DRUM, None, 11_501, 12_000, IMPRESSIONS)),
                         v1_only=True),
        SimulatedPrinter("EPSON WF-C5790 Series", "EPSON Built-in 11b/g/n Print Server",
                         f"{ent}.1248.1.1.2.1.3", "DMEP579031", dict(full),
                         tuple(Supply(f"{c.title()} Ink Cartridge", INK_CARTRIDGE, c, 64)
                               for c in _CMYK)),
        SimulatedPrinter("SHARP MX-3071", "SHARP MX-3071", f"{ent}.2385.3.1", "DMSH307101",
                         dict(copier), (*_toner(*_CMYK), _WASTE), device_index=2),
        SimulatedPrinter("OKI B432", "OKI OkiLAN 8450e Rev.02.45", f"{ent}.2001.1.1.1.297.1",
                         "DMOK432220", dict(mono), _toner("black")),
    ]  # fmt: skip


class Fleet:
    """The devices, their counters (kept in a file over starts) and the agents that answer."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fleet.json"
        self.printers = printers()
        if self._file.exists():
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            for printer in self.printers:
                printer.counts = kept[printer.serial]["counts"]
        self._save()

    def agents(self) -> Mapping[tuple[str, int], SimulatedAgent]:
        """(address, port) -> agent: the printers, a silent device, a switch and the gateway."""
        agents = [
            SimulatedAgent(printer.rows(position), v1_only=printer.v1_only)
            for position, printer in enumerate(self.printers, start=1)
        ]
        silent = SimulatedAgent({}, silent=True)
        switch = SimulatedAgent(
            {
                f"{SYSTEM}.1.0": ("OctetString", b"ProCurve J9623A 2620-24 Switch"),
                f"{SYSTEM}.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.11.2.3.7.11.128"),
                f"{SYSTEM}.3.0": ("TimeTicks", 51_840_000),
                f"{SYSTEM}.5.0": ("OctetString", b"switch-1"),
            }
        )
        by_address = {
            (str(FIRST_ADDRESS + number), PORT): agent
            for number, agent in enumerate([*agents, silent, switch])
        }
        return by_address | {(gateway.ADDRESS, PORT): gateway.gateway()}

    def advance(self) -> None:
        """Let every printer work for a while, and keep the counts."""
        for printer in self.printers:
            printer.advance()
        self._save()

    def truth(self) -> dict[str, dict[str, int]]:
        """What each device's own counter page says now: serial -> meters."""
        return {printer.serial: printer.meters() for printer in self.printers}

    def _save(self) -> None:
        kept = {
            printer.serial: {"counts": printer.counts, "meters": printer.meters()}
            for printer in self.printers
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self._file)
