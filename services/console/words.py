"""How the console says things. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.messages import Preview

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
    if row["billed_at"] is None:
        return Status("never read", "gone")
    if now - row["billed_at"] > STALE_AFTER:
        return Status("unread for over 7 days", "gone")
    if row["total"] is None and row["no_meters_because"]:
        return Status("no meters", "look", row["no_meters_because"])
    if row["entered_by"]:
        return Status("entered by hand", "fine", f"by {row['entered_by']}")
    return Status("read", "fine")


def reading(value: int | None) -> str:
    """A meter with its thousands apart; nothing where it is not reported."""
    return "" if value is None else f"{value:,}"


def plain(value: float | None) -> str:
    """A number as a form's field takes it; nothing where none is set."""
    return "" if value is None else f"{value:.15g}"


def shown_target(key: str) -> str:
    """A target as people call it: its address, with the port where it is not 161."""
    match = _SNMP.fullmatch(key)
    if match:
        address, port = match["address"], match["port"]
        return address if port == "161" else f"{address} port {port}"
    kind, colon, rest = key.partition(":")
    if not colon or kind not in ("ipp", "spooled", "withheld"):
        return key
    if kind == "withheld":
        return f"an address that the site withholds ({rest})"
    host, slash, queue = rest.partition("/")
    return f"{queue} at {host}" if kind == "spooled" and slash else rest


_EVENTS = {
    "moved": "answers at another address",
    "another_mac": "shows another MAC address",
    "another_device": "another device stands where it was",
    "twins": "two devices show one serial number",
    "another_site": "answers at another site too",
    "board_replaced": "a new serial number on its MAC address: was its board replaced?",
}


def event(row: Mapping[str, Any]) -> str:
    """What was noticed of a device, in words; who is named beside it."""
    said = _EVENTS.get(row["kind"], str(row["kind"]))
    places = [shown_target(key) for key in (row["target_before"], row["target"]) if key]
    where = f" ({' → '.join(dict.fromkeys(places))})" if places else ""
    return said + where


def size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1000:,.0f} kB"


def sent(preview: Preview) -> str:
    """What a search would send, in words."""
    if not preview.addresses and not preview.credentials:
        none = "no credential is set for it, or all of it is excluded"
        if not preview.datagrams:
            return f"nothing: {none}"
        return (
            f"at most {preview.datagrams:,} datagrams by broadcast, {size(preview.bytes)}; {none}"
        )
    names = ", ".join(preview.credentials) or "none"
    return (
        f"at most {preview.datagrams:,} datagrams to {preview.addresses:,} addresses,"
        f" {size(preview.bytes)}, {preview.seconds:,} s; credentials: {names}"
    )


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def shown_at(instant: datetime | None, zone: ZoneInfo) -> str:
    if instant is None:
        return "never"
    with suppress(OverflowError):  # of a round's begin, by a clock that shows the year 1 or 9999
        instant = instant.astimezone(zone)
    return f"{instant:%Y-%m-%d %H:%M %Z}"
