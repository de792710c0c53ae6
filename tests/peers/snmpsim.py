"""snmpsim, an SNMP agent of others' making: recordings, each under a community of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.peers import missing
from tests.peers.agent import free_udp_port

ADDRESS = "127.0.0.1"
_START_S = 20.0


@contextmanager
def snmpsim(folder: Path, recordings: Iterable[Path], *arguments: str) -> Iterator[int]:
    """The port at 127.0.0.1 where each recording answers to its file's name as the community.

    Args:
        folder: empty, for its files.
        recordings: .snmprec files.
    """
    for module in ("snmpsim", "pysmi"):  # which snmpsim imports without asking for it
        if find_spec(module) is None:
            missing(module)
    served, log, port = folder / "served", folder / "log", free_udp_port()
    served.mkdir()
    for recording in recordings:
        shutil.copy(recording, served)
    options = {
        "--data-dir": served,
        "--cache-dir": folder / "cache",
        "--variation-modules-dir": folder / "none",
        "--logging-method": f"file:{log}",
        "--agent-udpv4-endpoint": f"{ADDRESS}:{port}",
    }
    command = [sys.executable, "-m", "snmpsim.commands.responder"]
    with subprocess.Popen(
        [*command, *(f"{name}={value}" for name, value in options.items()), *arguments],
        env={**os.environ, "SNMPSIM_ALLOW_ROOT": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as peer:
        try:
            _wait_until_it_listens(peer, log)
            yield port
        finally:
            peer.terminate()
            try:
                peer.wait(5)
            except subprocess.TimeoutExpired:
                peer.kill()


def _wait_until_it_listens(peer: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    said = ""
    while time.monotonic() < deadline and peer.poll() is None:
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        if "Listening at" in said:
            return
        time.sleep(0.02)
    raise AssertionError(f"snmpsim did not start: {said[-1000:]}")
