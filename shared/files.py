"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Put a file in place, on disk when this returns; only its owner may read it by `mode`."""
    octets = content.encode() if isinstance(content, str) else content
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(octets)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
