"""Devices that answer on loopback for whole-road tests: from our own walks and from recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from services.solo.simulator import SimulatedAgent
from shared.snmprec import read_snmprec

WALKS = Path(__file__).parents[1] / "walks"
RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
# the system group, hrDeviceTable, the Printer MIB
_TELLING = ("1.3.6.1.2.1.1.", "1.3.6.1.2.1.25.3.2.", "1.3.6.1.2.1.43.")
# Right as well: ZEBRA-QL-MIB's serial number row, 10642.200.19.5.0; the recording's truth has none,
# or the print server's
DISPUTED = {("zebra_tlp2824-plus", "serial"): ["37J162600538"]}


@dataclass(frozen=True)
class Device:
    """What answers at an address, and what a right read of it says."""

    name: str
    file: Path
    truth: Mapping[str, Any]

    @property
    def prints(self) -> bool:
        return bool(self.truth.get("is_printer", True))

    @property
    def shows_itself(self) -> bool:
        """Whether it holds a row by which a search can tell: some recordings are a few lines."""
        return any(oid.startswith(_TELLING) for oid in read_snmprec(self.file))

    @property
    def total(self) -> int | None:
        """The billed total; None where the device reports none."""
        said = self.truth["meters"].get("total")
        total: int | None = said["value"] if isinstance(said, dict) else said
        return total

    def accepts(self, field: str) -> list[str | None]:
        also = self.truth.get(f"{field}_accept") or []
        return [self.truth.get(field), *also, *DISPUTED.get((self.name, field), [])]


def devices(*folders: Path) -> list[Device]:
    return [
        Device(file.stem, file, json.loads(file.with_suffix(".json").read_text(encoding="utf-8")))
        for folder in folders
        for file in sorted(folder.glob("*.snmprec"))
    ]


def addressed(
    found: list[Device], first: str, port: int
) -> tuple[dict[str, Device], dict[tuple[str, int], SimulatedAgent]]:
    """address -> device, and the agents to simulate."""
    by_address = {str(IPv4Address(first) + n): device for n, device in enumerate(found)}
    agents = {
        (address, port): SimulatedAgent(read_snmprec(device.file))
        for address, device in by_address.items()
    }
    return by_address, agents
