"""The plain tree, and its copy with compiled modules where `make compiled` has made one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
_COMPILED = ROOT / "var" / "compiled"


def copies() -> dict[str, Path]:
    """By name: "plain", and "compiled" only if it is made of today's sources."""
    sources = [
        path for package in ("services", "shared") for path in (ROOT / package).rglob("*.py")
    ]
    if all(_is_current(path) for path in sources):
        return {"plain": ROOT, "compiled": _COMPILED}
    return {"plain": ROOT}


def environment(copy: Path) -> Mapping[str, str]:
    """Of a process that imports Pagetally from `copy`, and benchmarks and tests from the tree."""
    return {**os.environ, "PYTHONPATH": f"{copy}:{ROOT}"}


def _is_current(source: Path) -> bool:
    copy = _COMPILED / source.relative_to(ROOT)
    return copy.exists() and copy.read_bytes() == source.read_bytes()
