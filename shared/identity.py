"""What tells one device from another: serial numbers and MAC addresses as they are compared."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LETTERS = 64
_MIN_SERIAL = 4
_REMEMBERED = 16_384
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
# what devices give that were never told their serial, or lost it with an engine board
_KNOWN_BAD = frozenset(
    {
        *("0123456789", "1234567890", "123456789", "12345678", "1234567890000", "0000A2F1R23J"),
        *("NONE", "NULL", "UNKNOWN", "UNDEFINED", "DEFAULT", "SERIAL", "SERIALNUMBER", "PRINTER"),
        *("NOTAVAILABLE", "NOTSET", "NOTSPECIFIED", "TOBEFILLEDBYO.E.M.", "SYSTEMSERIALNUMBER"),
    }
)


@lru_cache(maxsize=_REMEMBERED)
def usable_serial(serial: str | None) -> tuple[str | None, str]:
    """(the serial as it is compared, ""), or (None, what is wrong with it)."""
    if serial is None:
        return None, "it reports no serial number"
    usual = serial.isalnum()
    compared = (serial if usual else re.sub(r"[\s\x00]", "", serial)).upper()
    if not compared:
        return None, "its serial number is empty"
    if (
        len(compared) < _MIN_SERIAL
        or len(compared) > MAX_LETTERS
        or compared.count(compared[0]) == len(compared)
        or compared in _KNOWN_BAD
        or not (usual or any(letter.isalnum() for letter in compared))
    ):
        return None, f"its serial number {compared[:MAX_LETTERS]!r} is one that many devices show"
    return compared, ""


@lru_cache(maxsize=_REMEMBERED)
def usable_mac(mac: str | None) -> str | None:
    """The MAC address as it is compared; None for none, all zeros, and group addresses."""
    if mac is None:
        return None
    compared = mac.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(compared) or compared == "00:00:00:00:00:00":
        return None
    return None if int(compared[:2], 16) & 1 else compared
