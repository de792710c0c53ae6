"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, content: str | bytes) -> None:
    """Put a file that only its owner may read in place, on disk when this returns."""
    octets = content.encode() if isinstance(content, str) else content
    fresh = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(octets)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
