"""Room that is held for what must be written on a full disk, so that the disk gets room again."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

# More than the largest transaction (a batch whose rows are all rewritten, 5 MB) needs for the
# write-ahead log, and for the file to grow by what that log held before it.
RESERVE_BYTES = 8_000_000


class Reserve:
    """A file beside the spool. What is stored needs it in place; what was answered may use it."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._is_held = False

    def hold(self) -> None:
        """Raises: OSError, where there is no room for it."""
        if self._is_held:
            return
        if shutil.disk_usage(self._path.parent).free < self._size - self._there():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        opened = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(opened, 0, self._size)
        except OSError:
            self._path.unlink()
            raise
        finally:
            os.close(opened)
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self._path.unlink(missing_ok=True)

    def _there(self) -> int:
        return self._path.stat().st_blocks * 512 if self._path.exists() else 0
