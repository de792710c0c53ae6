"""A device that a computer's spooler manages: listed with why it has no count. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.poller.identity import without_make
from services.poller.text import serial_or_none
from shared.messages import (
    DeviceFound,
    DeviceIdentity,
    DeviceStatus,
    MeterRead,
    SpooledDevice,
    SpooledQueue,
    SpooledTarget,
)
from shared.text import clean

PROFILE = "spooled@1"
_LONGEST = 253  # a DNS name; three of them are in a reason
_BY_HAND = "a spooler knows no page counts; enter its meter by hand"
_BY_IPP = ", or name it with ipp:// where IPP-over-USB is served"
_BY_NETWORK = ", or let its own address be read"
_ATTACHED: Mapping[str, tuple[str, str]] = {  # by kind of port: how, and what else may count
    "usb": ("attached to {host} by USB", _BY_IPP),
    "lpt": ("attached to {host} by the parallel port {port}", ""),
    "fax": ("a fax port of {host}", ""),
    "scan": ("a scanner port of {host}", ""),
    "tcp": ("the queue {queue} of {host} for the network port {port}", _BY_NETWORK),
    "wsd": ("the queue {queue} of {host} for a device that it found by WSD", _BY_NETWORK),
    "other": ("the queue {queue} of {host} on the port {port}", ""),
}


def spooled_read(found: DeviceFound, target: SpooledTarget, agent: str, now: datetime) -> MeterRead:
    """What the spooler said of the device; nothing is asked."""
    told = found.spooled or SpooledDevice()
    return MeterRead(
        order=found.order,
        round=found.round,
        agent=agent,
        target=target,
        taken_at=now,
        device=DeviceIdentity(
            make=told.make,
            model=without_make(told.model, told.make),
            serial=serial_or_none(told.serial, told.model, None),
            location=told.location,
            description=told.driver,
        ),
        profile=PROFILE,
        meters={},
        no_meters_because=_why_none(target.spooled),
        status=DeviceStatus(printer=told.status),
    )


def _why_none(queue: SpooledQueue) -> str:
    how, else_ = _ATTACHED[queue.kind]
    words = {"host": queue.host, "queue": queue.queue, "port": queue.port_name}
    said = {name: clean(word, _LONGEST) or "?" for name, word in words.items()}
    return f"it is {how.format(**said)}; {_BY_HAND}{else_}"
