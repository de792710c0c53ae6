"""The services as processes of their own, to be started, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from services.solo.ca import ensure_ca
from shared.clock import utc_now
from shared.files import write_private
from tests.peers import free_port

ROOT = Path(__file__).parents[2]


class Stack:
    """One process a service name; "poller-2" is a second poller.

    Args:
        folder: the state of discovery and uploader, the services' logs, certificates.
        networks: what the site's ceiling allows, on `snmp_port`.
    """

    def __init__(
        self, folder: Path, *, broker: str, database: str, networks: list[str], snmp_port: int
    ) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self.commands: dict[str, list[str]] = {}  # in place of a service's own
        self.ingest_port = free_port()
        self.hub_url = f"https://localhost:{self.ingest_port}"
        self.spool = folder / "spool.sqlite"
        self._key = folder / "site.key"
        self.ca = ca = ensure_ca(folder / "ca", ["localhost"], utc_now())
        ceiling = folder / "ceiling.toml"
        ceiling.write_text(
            f"networks = {networks!r}\nports = [{snmp_port}]\npace = 2000\n", encoding="utf-8"
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PAGETALLY_STATE": str(folder),
            "DISCOVERY_BUS_URL": broker,
            "DISCOVERY_CEILING_FILE": str(ceiling),
            "DISCOVERY_PORT": str(snmp_port),
            "DISCOVERY_RATE": "2000",
            "DISCOVERY_ROSTER_FILE": str(folder / "roster.sqlite"),
            "DISCOVERY_TIMEOUT_S": "0.5",
            "POLLER_BUS_URL": broker,
            "POLLER_CEILING_FILE": str(ceiling),
            "UPLOADER_BUS_URL": broker,
            "UPLOADER_CA_FILE": str(ca.ca_cert),
            "UPLOADER_CEILING_FILE": str(ceiling),
            "UPLOADER_CONTACT_S": "1",
            "UPLOADER_GATHER_S": "0.1",
            "UPLOADER_HUB_URL": self.hub_url,
            "UPLOADER_KEY_FILE": str(self._key),
            "UPLOADER_SPOOL_FILE": str(self.spool),
            "INGEST_DATABASE_URL": database,
            "INGEST_PORT": str(self.ingest_port),
            "INGEST_REQUESTS_A_MINUTE": "6000",
            "INGEST_TLS_CERT": str(ca.cert),
            "INGEST_TLS_KEY": str(ca.key),
            "REPORTER_DATABASE_URL": database,
            "REPORTER_MAIL_FOLDER": str(folder / "mail"),
        }

    def put_key(self, key: str) -> None:
        write_private(self._key, key)

    def start(self, *names: str) -> None:
        for name in names:
            log = (self._folder / f"{name}.log").open("ab")
            service = name.partition("-")[0]
            words = self.commands.get(service, ["services.cli", service])
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-P", "-m", *words],
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            log.close()
            self._started_at[name] = time.monotonic()

    def kill(self, name: str) -> None:
        """SIGKILL, as an out-of-memory kill or a power cut would."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def ended(self) -> dict[str, int]:
        """Services that ended by themselves, with their exit codes."""
        codes = {name: process.poll() for name, process in self._processes.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def ran_s(self, name: str) -> float:
        """Since its last start."""
        return time.monotonic() - self._started_at[name]

    def stop(self, timeout_s: float = 30.0) -> dict[str, int]:
        """SIGTERM to all; name -> exit code, -9 for one that did not end in time."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self._processes.items():
            try:
                codes[name] = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        self._processes.clear()
        return codes

    async def takes_connections(self) -> bool:
        """Whether ingest does."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ingest_port)) == 0

    def count_waiting(self) -> int:
        """What is in the uploader's spool and not at the hub."""
        with sqlite3.connect(self.spool) as spool:
            [waiting] = spool.execute(
                "select count(*) from message where state = 'waiting'"
            ).fetchone()
        return int(waiting)

    def said(self, name: str, last: int = 4000) -> str:
        file = self._folder / f"{name}.log"
        return file.read_text(encoding="utf-8", errors="replace")[-last:] if file.exists() else ""

    def all_said(self) -> str:
        return "\n".join(f"{name}:\n{self.said(name, 1500)}" for name in self._processes)
