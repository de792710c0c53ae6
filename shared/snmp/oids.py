"""The order of OIDs, and steps in it."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16_384)  # devices of one kind have the same rows
def order(oid: str) -> tuple[int, ...]:
    """What OIDs are sorted by, RFC 3416 section 4.2.2."""
    return tuple(map(int, oid.split(".")))


@lru_cache(maxsize=4096)
def predecessor(oid: str) -> str:
    """What GETNEXT is asked for, to be answered with `oid` where it exists."""
    parent, _, last = oid.rpartition(".")
    return f"{parent}.{int(last) - 1}" if last != "0" else parent
