"""A clock that nobody sets: how long ago this box was booted, the time it slept included."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

_MOST_APART_S = 60.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SinceBoot(NamedTuple):
    boot: str  # which boot, by the kernel's own id
    s: float


def since_boot() -> SinceBoot | None:
    """None where the system has no such clock."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return SinceBoot(boot[:64], time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, ValueError, AttributeError):
        return None


class Ages:
    """How long ago messages were stored, by the clock since boot, where that can be believed.

    A virtual machine that was paused, or restored with its memory, does not know how long: that
    shows where the hub's clock went on between two contacts and this one did not. What was stored
    before then has no age.
    """

    def __init__(self) -> None:
        self._heard: tuple[datetime, SinceBoot] | None = None
        self._believed_from_s = 0.0

    def heard(self, hub_says: datetime, now: SinceBoot | None) -> None:
        if now is None:
            return
        if self._heard and self._heard[1].boot == now.boot:
            by_hub_s = (hub_says - self._heard[0]).total_seconds()
            if abs(by_hub_s - (now.s - self._heard[1].s)) > _MOST_APART_S:
                self._believed_from_s = now.s
        self._heard = hub_says, now

    def age_s(self, stored: SinceBoot | None, now: SinceBoot | None) -> float | None:
        """None where it was another boot, or nobody knows."""
        if now is None or stored is None or stored.boot != now.boot:
            return None
        return now.s - stored.s if self._believed_from_s <= stored.s <= now.s else None
