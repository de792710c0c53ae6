"""How long the disk under the spool lasts, by what was stored in the last days."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from services.uploader.numbering import at

LEAST_DAYS = 7.0  # below, it is said
_LOOKED_BACK = timedelta(days=7)
_PAGE = 4096
_AROUND = 200  # bytes that stand beside a body in its row
_PART_FILLED = 1.5  # what rows take of the file for each byte of theirs: pages are not full


class Forecast(NamedTuple):
    free: int  # bytes on the disk, and those that the spool's file holds and does not need
    a_day: float  # bytes
    days: float | None  # until it is full, were nothing forgotten; None: nothing is stored

    @property
    def is_short(self) -> bool:
        return self.days is not None and self.days < LEAST_DAYS

    def told(self) -> str:
        return f"{self.free // 1_000_000} MB free" + (
            f", enough for {self.days:.1f} days of reads at {self.a_day / 1e6:.1f} MB a day"
            if self.days is not None and self.days < 1000
            else ""
        )


def forecast(spool: Path, now: datetime) -> Forecast:
    """Works while the spool is in use, and where there is none yet (no rate is known then).

    Raises: OSError, where its folder cannot be looked at.
    """
    folder = spool.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    try:
        in_file, a_day = _stored(spool, now)
    except sqlite3.DatabaseError:
        in_file, a_day = 0, 0.0
    free += in_file
    return Forecast(free, a_day, free / a_day if a_day else None)


def _stored(spool: Path, now: datetime) -> tuple[int, float]:
    """(bytes free within the file, bytes a day that were stored)."""
    with closing(sqlite3.connect(f"{spool.absolute().as_uri()}?mode=ro", uri=True)) as db:
        [unused] = db.execute("pragma freelist_count").fetchone()
        since = now - _LOOKED_BACK
        size, first = db.execute(
            "select sum(length(body) + ?), min(stored_at) from message where stored_at >= ?",
            (_AROUND, at(since)),
        ).fetchone()
    if not size:
        return unused * _PAGE, 0.0
    over = min(_LOOKED_BACK, max(timedelta(days=1), now - datetime.fromisoformat(first)))
    return unused * _PAGE, size * _PART_FILLED / (over / timedelta(days=1))
