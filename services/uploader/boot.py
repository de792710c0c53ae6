"""A clock that nobody sets: how long ago this box was booted, the time it slept included."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

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


def age_s(boot: str | None, boot_s: float | None, now: SinceBoot | None) -> float | None:
    """Seconds since an instant of the boot that still runs; None where it was of another."""
    if now is None or boot_s is None or boot != now.boot or boot_s > now.s:
        return None
    return now.s - boot_s
