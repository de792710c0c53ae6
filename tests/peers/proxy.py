"""Private proxies with Basic authentication: tinyproxy, squid, and a squid that opens TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers import free_port, missing

_START_S = 10.0
_NOBODY = 65534
_SQUID = Path("/usr/sbin/squid")
_HELPERS = Path("/usr/lib/squid")
_CERTGEN = _HELPERS / "security_file_certgen"


class Proxy(NamedTuple):
    host: str
    port: int
    user: str
    password: str

    def url(self, password: str | None = None) -> str:
        return f"http://{self.user}:{password or self.password}@{self.host}:{self.port}"

    @property
    def bare(self) -> str:
        """Its URL without user and password."""
        return f"http://{self.host}:{self.port}"


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    program = shutil.which("tinyproxy")
    if program is None:
        missing("tinyproxy")
    folder = tmp_path_factory.mktemp("tinyproxy")
    made = _made()
    (folder / "conf").write_text(
        f"Port {made.port}\nListen {made.host}\nTimeout 30\nMaxClients 20\n"
        f'LogFile "{folder / "log"}"\nLogLevel Connect\n'
        f"BasicAuth {made.user} {made.password}\n",
        encoding="ascii",
    )
    with _running(made, program, "-d", "-c", str(folder / "conf")):
        yield made


@pytest.fixture(scope="session")
def squid() -> Iterator[Proxy]:
    """Lets CONNECT to every port but 1 through."""
    with _squid() as made:
        yield made


@contextmanager
def inspecting(authority: Path, believes: Path) -> Iterator[Proxy]:
    """A squid that opens TLS, and shows certificates of its own for every server.

    Args:
        authority: PEM of the CA that signs them, with its key.
        believes: PEM of the authorities that it checks servers against.
    """
    if not _CERTGEN.exists():
        missing("squid that opens TLS (apt-get install squid-openssl)")
    with _squid((authority, believes)) as made:
        yield made


@contextmanager
def _squid(opening: tuple[Path, Path] | None = None) -> Iterator[Proxy]:
    if not _SQUID.exists():
        missing("squid (apt-get install squid-openssl)")
    folder = Path(tempfile.mkdtemp(prefix="pagetally-squid-"))
    made = _made()
    listening = f"http_port {made.host}:{made.port}"
    listening += _opening_tls(folder, *opening) if opening else "\n"
    hashed = _said("openssl", "passwd", "-apr1", made.password)
    (folder / "users").write_text(f"{made.user}:{hashed}", encoding="ascii")
    (folder / "conf").write_text(
        f"{listening}auth_param basic program {_HELPERS}/basic_ncsa_auth {folder}/users\n"
        "auth_param basic children 1\nacl known proxy_auth REQUIRED\nacl shut port 1\n"
        "http_access deny shut\nhttp_access allow known\nhttp_access deny all\n"
        "dns_nameservers 127.0.0.1\nconnect_timeout 5 seconds\n"
        f"access_log none\ncache_log {folder}/log\ncoredump_dir {folder}\npid_filename none\n"
        "cache_effective_user nobody\ncache_effective_group nogroup\nnetdb_filename none\n"
        "cache deny all\npinger_enable off\nmemory_cache_shared off\n"
        "visible_hostname proxy.example\n",
        encoding="ascii",
    )
    _give_to_nobody(folder)
    try:
        with _running(made, str(_SQUID), "-N", "-f", str(folder / "conf")):
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opening_tls(folder: Path, authority: Path, believes: Path) -> str:
    store = folder / "certificates"
    _said(str(_CERTGEN), "-c", "-s", str(store), "-M", "4MB")
    return (
        f" ssl-bump tls-cert={authority} generate-host-certificates=on\n"
        f"sslcrtd_program {_CERTGEN} -s {store} -M 4MB\nsslcrtd_children 1\n"
        "acl begin at_step SslBump1\nssl_bump peek begin\nssl_bump bump all\n"
        f"tls_outgoing_options cafile={believes} min-version=1.2\n"
    )


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def _made() -> Proxy:
    return Proxy("127.0.0.1", free_port(), "site", "hunter2")


def _give_to_nobody(folder: Path) -> None:
    """Squid, as root, becomes another user, whose helpers must read and write here."""
    folder.chmod(0o755)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY)


@contextmanager
def _running(proxy: Proxy, *command: str) -> Iterator[None]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_up(proxy, running)
        yield
    finally:
        running.kill()  # squid would take two seconds to stop; helpers end with their pipes
        running.wait(5)


def _wait_until_up(proxy: Proxy, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and running.poll() is None:
        try:
            socket.create_connection((proxy.host, proxy.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the proxy did not start on port {proxy.port}")
