"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_private(file: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Put a file in place, on disk when this returns; only its owner may read it by `mode`.

    Raises: OSError.
    """
    refuse_device(file)
    octets = content.encode() if isinstance(content, str) else content
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(octets)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def refuse_device(file: Path) -> None:
    """Root would replace /dev/null by a file. Raises: OSError, where something else than a file
    is at that path."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "is there already, and is no regular file", str(file))
