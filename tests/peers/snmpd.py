"""A private net-snmp agent: v1 and v2c as `public`, and v3 with a user of every protocol."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from typing import NamedTuple

from tests.peers import missing
from tests.peers.agent import free_udp_port

PROGRAM = Path("/usr/sbin/snmpd")
AUTH_PASSWORD = "auth-of-the-peer"
PRIVACY_PASSWORD = "privacy-of-the-peer"
CONTEXT = "Jetdirect"  # another name for the same sysName, to users of every level
SYS_NAME = "pagetally-peer"

_AUTH = {
    "md5": "MD5",
    "sha1": "SHA",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}
_PRIVACY = {
    "des": "DES",
    "aes128": "AES",
    "aes192-blumenthal": "AES-192",
    "aes192-reeder": "AES-192-C",
    "aes256-blumenthal": "AES-256",
    "aes256-reeder": "AES-256-C",
}
_START_S = 10.0


class User(NamedTuple):
    """A user of the agent; `level` is the least that it may ask with, as snmpd calls it."""

    name: str
    auth: str
    privacy: str
    level: str


USERS = (
    User("nobody", "none", "none", "noauth"),
    *(User(f"{auth}-none", auth, "none", "auth") for auth in _AUTH),
    *(User(f"{a}-{p}", a, p, "priv") for a, p in product(_AUTH, _PRIVACY)),
)


class Snmpd:
    """The agent; `start` and `stop` may be called again, and boots rise with each."""

    def __init__(
        self,
        folder: Path,
        *lines: str,
        engine_id: str = "80001f8804706565723031",
        at: tuple[str, int] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """
        Args:
            lines: of snmpd.conf, besides its own.
            engine_id: in hexadecimal.
            at: address and port; a free port of 127.0.0.1.
            within: the words that start it elsewhere, such as in a network namespace.
        """
        if not PROGRAM.exists():
            missing(str(PROGRAM))
        self.address, self.port = at or ("127.0.0.1", free_udp_port())
        self.engine_id = engine_id
        self._folder = folder
        self._lines = lines
        self._within = within
        self._starts = count(1)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self._folder / f"log{next(self._starts)}"
        conf = self._folder / "agent.conf"
        conf.write_text("\n".join(self._configuration()) + "\n", encoding="ascii")
        files = ["-c", str(conf), "-p", str(self._folder / "pid"), "-Lf", str(log)]
        self._running = subprocess.Popen(
            [*self._within, PROGRAM, "-f", *files, f"udp:{self.address}:{self.port}"],
            env={
                **os.environ,
                "MIBS": "",
                "SNMPCONFPATH": str(self._folder / "persistent"),
                "SNMP_PERSISTENT_DIR": str(self._folder / "persistent"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._running.poll() is None:
            if log.exists() and "NET-SNMP version" in log.read_text(encoding="utf-8"):
                return
            time.sleep(0.02)
        self.stop()
        raise AssertionError(f"snmpd did not start: {log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(5)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._running = None

    def swap_board(self, engine_id: str) -> None:
        """Start again as another engine, which has never run before."""
        self.stop()
        shutil.rmtree(self._folder / "persistent")
        self.engine_id = engine_id
        self.start()

    def _configuration(self) -> Iterator[str]:
        yield f"exactEngineID 0x{self.engine_id}"
        yield from ("rocommunity public", "view all included .1", "sysServices 64")
        yield f"sysName {SYS_NAME}"
        yield f"proxy -Cn {CONTEXT} -v 2c -c public {self.address}:{self.port} .1.3.6.1.2.1.1"
        for user in USERS:
            auth = f' {_AUTH[user.auth]} "{AUTH_PASSWORD}"' if user.auth != "none" else ""
            privacy = (
                f' {_PRIVACY[user.privacy]} "{PRIVACY_PASSWORD}"' if user.level == "priv" else ""
            )
            yield f"createUser {user.name}{auth}{privacy}"
            yield f"rouser {user.name} {user.level}"
            yield f"rouser {user.name} {user.level} -V all {CONTEXT}"
        yield from self._lines


@contextmanager
def running(agent: Snmpd) -> Iterator[Snmpd]:
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()
