"""Brother's records: an octet string of tag (1), 01, length (1), value; FF at its end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

_MARK = 0x01
_END = 0xFF
_LENGTHS = frozenset({1, 4})  # of a number; two octets hold a level and its maximum


@lru_cache(maxsize=512)  # each counter and each supply of a read looks into the same string
def records_in(octets: bytes) -> Mapping[int, bytes]:
    """The values by their tags.

    Nothing where the octets are not such records from end to end, or hold a tag twice: half of
    them would be somebody's guess.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(octets):
        tag, mark, length = octets[at : at + 3]
        value = octets[at + 3 : at + 3 + length]
        if mark != _MARK or len(value) < length or tag in found:
            return {}
        found[tag] = value
        at += 3 + length
    return found if octets[at:] == bytes([_END]) else {}


def counts_in(octets: bytes) -> Mapping[int, int | None]:
    """The counts by their tags, None for a value that is no number."""
    return {tag: number(value) for tag, value in records_in(octets).items()}


def number(value: bytes) -> int | None:
    return int.from_bytes(value, "big") if len(value) in _LENGTHS else None
