"""A private tinyproxy with Basic authentication."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers import free_port, missing

_START_S = 10.0


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
    made = Proxy("127.0.0.1", free_port(), "site", "hunter2")
    (folder / "conf").write_text(_configuration(made, folder), encoding="ascii")
    running = subprocess.Popen(
        [program, "-d", "-c", str(folder / "conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_up(made, running)
        yield made
    finally:
        running.terminate()
        try:
            running.wait(5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _configuration(proxy: Proxy, folder: Path) -> str:
    return (
        f"Port {proxy.port}\nListen {proxy.host}\nTimeout 30\nMaxClients 20\n"
        f'LogFile "{folder / "log"}"\nLogLevel Connect\n'
        f"BasicAuth {proxy.user} {proxy.password}\n"
    )


def _wait_until_up(proxy: Proxy, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and running.poll() is None:
        try:
            socket.create_connection((proxy.host, proxy.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"tinyproxy did not start on port {proxy.port}")
