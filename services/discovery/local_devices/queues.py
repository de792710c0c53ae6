"""The queues of a computer that have a device behind them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.discovery.local_devices.ports import Port, is_virtual, windows_port
from services.discovery.local_devices.printer_info import PortOfSpooler, Printer
from shared.messages import SpooledDevice

# MS-RPRN 2.2.3.12
_FAX, _WORK_OFFLINE, _REDIRECTED = 0x4000, 0x400, 0x8000
_STATUSES = (
    *("paused", "error", "being deleted", "paper jam", "out of paper", "manual feed"),
    *("paper problem", "offline", "input or output", "busy", "printing", "output bin full"),
    *("not available", "waiting", "processing", "initializing", "warming up", "toner low"),
    *("no toner", "page cannot be printed", "needs attention", "out of memory", "door open"),
    *("server unknown", "power save"),
)
_ONE_DEVICE = ("usb", "lpt")  # ports that hold one, whatever queues there are on them


class SpoolerError(Exception):
    """Why a computer gives no list: what it does, in words that follow its name."""


class Queue(NamedTuple):
    name: str
    port_name: str
    port: Port
    seen: SpooledDevice


class Listing(NamedTuple):
    queues: list[Queue]
    is_cut: bool  # the computer may have more than are taken


def windows_queues(printers: Iterable[Printer], ports: Iterable[PortOfSpooler]) -> list[Queue]:
    """Args: ports: none where they cannot be listed; then a port's name alone tells its kind."""
    listed = {port.name.lower(): port for port in ports}
    return [
        Queue(
            printer.name,
            printer.port_name,
            _port(printer, listed.get(printer.port_name.lower())),
            SpooledDevice(
                driver=printer.driver,
                status=_status(printer),
                location=printer.location,
                comment=printer.comment,
            ),
        )
        for printer in printers
        if not printer.attributes & _REDIRECTED
        and not is_virtual(printer.port_name, printer.driver)
    ]


def one_a_device(queues: Sequence[Queue]) -> list[Queue]:
    """Without the second queue of a port that holds one device; the first by name stays."""
    kept: dict[tuple[str, str], Queue] = {}
    for queue in sorted(queues, key=lambda queue: queue.name):
        one = queue.port_name if queue.port.kind in _ONE_DEVICE else queue.name
        kept.setdefault((queue.port.kind, one.lower()), queue)
    return list(kept.values())


def _port(printer: Printer, listed: PortOfSpooler | None) -> Port:
    if printer.attributes & _FAX:
        return Port("fax")
    if listed is None:
        return windows_port(printer.port_name)
    return windows_port(listed.name, listed.monitor, listed.description)


def _status(printer: Printer) -> str:
    words = [word for bit, word in enumerate(_STATUSES) if printer.status >> bit & 1]
    if printer.attributes & _WORK_OFFLINE and "offline" not in words:
        words.append("offline")
    return ", ".join(words) or "ready"
