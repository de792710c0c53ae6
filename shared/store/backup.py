"""The whole database into one file and back, by pg_dump and pg_restore."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg.pq import Conninfo

from shared.files import refuse_device
from shared.store.binaries import EmbeddedError, wheel_binaries
from shared.store.postgres import StoreError, conninfo_of
from shared.store.tls import is_on_this_box

_LONGEST_S = 6 * 3600.0
_TOOLS = ("pg_dump", "pg_restore", "psql")


def backup(url: str, file: Path) -> None:
    """Write the database at `url` to `file`, which is there whole or not at all.

    Raises: StoreError.
    """
    conninfo = conninfo_of(url)
    major = _server_major(conninfo)
    tools = _tools(major, with_tls=not is_on_this_box(url))
    fresh = file.with_name(file.name + ".new")
    try:
        refuse_device(file)
        # made first: it holds all that the hub knows
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _run([tools / "pg_dump", "--format=custom", "--no-owner", f"--file={fresh}"], conninfo)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
        fresh.replace(file)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)


def restore(url: str, file: Path) -> None:
    """Fill the database at `url`, which must hold no customer yet, from a backup.

    All of it or nothing: one transaction. Raises: StoreError.
    """
    if not file.is_file():
        raise StoreError(f"{file}: no such file")
    conninfo = conninfo_of(url)
    _check_empty(conninfo)
    major = _server_major(conninfo)
    tools = _tools(major, with_tls=not is_on_this_box(url))
    with tempfile.TemporaryDirectory(prefix="pagetally-restore-") as folder:
        script = Path(folder, "restore.sql")
        _run([tools / "pg_restore", "--no-owner", f"--file={script}", file], conninfo)
        ready = Path(folder, "ready.sql")
        _make_ready(script, ready, major)
        _run(
            [
                *(tools / "psql", "--no-psqlrc", "--quiet", "--single-transaction"),
                *("--set=ON_ERROR_STOP=1", "--output=/dev/null", f"--file={ready}"),
            ],
            conninfo,
        )


def _make_ready(script: Path, ready: Path, major: int) -> None:
    """Put what empties the schema first, and leave out what a server older than 17 refuses."""
    with script.open("rb") as said, ready.open("wb") as out:
        out.write(b"drop schema public cascade; create schema public;\n")
        for number, line in enumerate(said):
            if number < 50 and major < 17 and line.startswith(b"SET transaction_timeout"):
                continue
            out.write(line)


def _check_empty(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            if connection.execute("select to_regclass('customer')").fetchone() == (None,):
                return
            found = connection.execute("select count(*) from customer").fetchone()
    except psycopg.Error as error:
        raise StoreError(f"database: {str(error).splitlines()[0]}") from error
    if found and found[0]:
        raise StoreError(
            f"the database holds {found[0]} customers already; restore into an empty one"
        )


def _server_major(url: str) -> int:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            return connection.info.server_version // 10_000
    except psycopg.Error as error:
        raise StoreError(f"database: {str(error).splitlines()[0]}") from error


def _tools(server_major: int, *, with_tls: bool) -> Path:
    """The folder of the newest pg_dump, pg_restore and psql that are not older than the server.

    The newest, because an older pg_restore does not read a newer one's backup.
    """
    found = []
    for folder in _folders(with_tls=with_tls):
        if all((folder / tool).exists() for tool in _TOOLS):
            said = subprocess.run(
                [folder / "pg_dump", "--version"],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            ).stdout
            version = re.search(r"(\d+)\.\d+", said)
            if version:
                found.append((int(version[1]), folder))
    newest = max(found, default=(0, Path()))
    if newest[0] < server_major:
        raise StoreError(
            f"no pg_dump, pg_restore and psql of PostgreSQL {server_major} or newer here:"
            f" apt-get install postgresql-client-{server_major}"
            + ("" if with_tls else ", or pip install 'pagetally[embedded]'")
        )
    return newest[1]


def _folders(*, with_tls: bool) -> Iterator[Path]:
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path).parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if with_tls:
        return  # the wheel's have none
    try:
        yield wheel_binaries()
    except EmbeddedError:
        return


def _run(command: Sequence[str | Path], url: str) -> None:
    """The password goes by the environment: a command line is anybody's to read."""
    said = {
        option.envvar.decode(): option.val.decode()
        for option in Conninfo.parse(url.encode())
        if option.envvar and option.val
    }
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", **said}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        raise StoreError(f"{Path(command[0]).name}: {last[:300]}")
