"""`pagetally site` as a process of its own, started again and again on one state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.uploader.spool import Spool

ROOT = Path(__file__).parents[2]


class SiteAgent:
    """The processes of one site, one after the other.

    Args:
        hub_url: where it sends; `pin` is the fingerprint of its CA.
        targets: typed at the site.
        within: the words that start it elsewhere, such as in a network namespace.
    """

    def __init__(
        self,
        folder: Path,
        key_file: Path,
        *,
        hub_url: str,
        pin: str,
        targets: Sequence[str] = (),
        within: Sequence[str] = (),
    ) -> None:
        self.state = folder / "state"
        self.hub_url = hub_url
        self.pin = pin
        self._key_file = key_file
        self._targets = targets
        self._within = within
        self._log = folder / "site.log"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Killed at the end of the block, if it still runs."""
        with self._log.open("ab") as log:
            agent = subprocess.Popen(
                [
                    *(*self._within, sys.executable, "-P", "-m", "services.cli", "site"),
                    *self._targets,
                    *("--hub", self.hub_url, "--key-file", str(self._key_file)),
                    *("--pin", self.pin, "--credential", "public"),
                ],
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "PAGETALLY_STATE": str(self.state),
                    "DISCOVERY_TIMEOUT_S": "0.5",
                    "POLLER_IN_FLIGHT": "2",
                    "UPLOADER_GATHER_S": "0",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield agent
        finally:
            agent.kill()
            agent.wait()

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        opened = Spool(self.state / "agent" / "spool.sqlite")
        try:
            yield opened
        finally:
            opened.close()
