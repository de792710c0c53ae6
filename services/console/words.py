"""How the console says things. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

STALE_AFTER = timedelta(days=7)
_SNMP = re.compile(r"snmp:\[(?P<address>[^\]]+)\]:(?P<port>\d+)")


class Status(NamedTuple):
    word: str
    kind: str  # the CSS class: fine, look, gone
    note: str = ""


def device_status(row: Mapping[str, Any], now: datetime) -> Status:
    """What the last read of a device says of it."""
    if row["held_because"]:
        return Status("held", "look", row["held_because"])
    if row["taken_at"] is None:
        return Status("never read", "gone")
    if now - row["taken_at"] > STALE_AFTER:
        return Status("unread for over 7 days", "gone")
    if row["total"] is None and row["no_meters_because"]:
        return Status("no meters", "look", row["no_meters_because"])
    return Status("read", "fine")


def reading(value: int | None) -> str:
    """A meter with its thousands apart; nothing where it is not reported."""
    return "" if value is None else f"{value:,}"


def shown_target(key: str) -> str:
    """A target as people call it: its address, with the port where it is not 161."""
    match = _SNMP.fullmatch(key)
    if match is None:
        return key
    address, port = match["address"], match["port"]
    return address if port == "161" else f"{address} port {port}"


def size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1000:,.0f} kB"
