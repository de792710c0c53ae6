"""A write-ahead log that an ended process left beside a spool: whether it is that file's.

SQLite reads whatever log lies there. Where a copy was put in the place of the file alone, that
mixes two files, and what is stored then is lost.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from shared.log import log

_LONGEST_S = 30.0  # a start must come to an end; about 10 GB
_STEPS = 100_000  # of SQLite's, between two looks at the clock


def set_foreign_log_aside(path: Path) -> None:
    """Where the file is sound without the log and not with it, the log gets another name.

    Call before any process has the file open. Raises: OSError.
    """
    left = path.with_name(f"{path.name}-wal")
    if not path.exists() or not left.exists() or not left.stat().st_size:
        return
    if _is_sound(path, "mode=ro") or not _is_sound(path, "immutable=1"):
        return
    aside = left.rename(left.with_name(f"{left.name}-of-another"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    log.error(
        "the log beside the spool is another file's, and was set aside; was a copy put in its"
        " place? what was stored since the copy may be in it",
        service="uploader",
        file=str(path),
        log=str(aside),
    )


def _is_sound(path: Path, how: str) -> bool:
    """True too where that takes too long to tell."""
    until = time.monotonic() + _LONGEST_S
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
            db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            return db.execute("pragma integrity_check(1)").fetchall() == [("ok",)]
    except sqlite3.OperationalError:  # interrupted, or it cannot be opened: that is told later
        return True
    except sqlite3.DatabaseError:
        return False
