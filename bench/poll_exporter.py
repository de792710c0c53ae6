"""prometheus-snmp-exporter on the simulated devices: COUNTERS PORT DEVICES.

Scraped over HTTP on loopback, with a module of the same 20 single instances and two walks. Its
processor time is its own process' alone; who scrapes it is not counted, but takes from its rate.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bench.measured import Measuring
from bench.workload import REPETITIONS, SCALARS, TABLES, VARBINDS, addresses, recording
from tests.peers import free_port

PROGRAM = "prometheus-snmp-exporter"
AT_ONCE = 50
_UP_S = 10.0


def configuration() -> str:
    """Its snmp.yml; JSON is YAML."""
    metrics: dict[str, dict[str, object]] = {}
    for line in recording():
        oid, tag, value = line.split("|")
        if oid in SCALARS:
            metrics[oid] = _metric(oid, tag, value, ())
        elif oid.startswith(TABLES):
            column = oid.rsplit(".", 2)[0]
            metrics[column] = _metric(column, tag, value, ("device", "row"))
    module = {
        "walk": list(TABLES),
        "get": list(SCALARS),
        "version": 2,
        "auth": {"community": "public"},
        "max_repetitions": REPETITIONS,
        "retries": 3,
        "timeout": "2s",
        "metrics": list(metrics.values()),
    }
    return json.dumps({"bench": module})


def _metric(oid: str, tag: str, value: str, labels: Sequence[str]) -> dict[str, object]:
    binary = tag == "4x" or value == "{mac}"
    text = "DisplayString" if tag in {"4", "6"} else "gauge"
    return {
        "name": f"oid_{oid.replace('.', '_')}",
        "oid": oid.removesuffix(".0"),
        "type": "OctetString" if binary else text,
        "help": oid,
        "indexes": [{"labelname": label, "type": "gauge"} for label in labels],
    }


class Scraper:
    """One kept-open connection a thread."""

    def __init__(self, listens: int, port: int) -> None:
        self._listens = listens
        self._port = port
        self._own = threading.local()

    def scrape(self, address: str) -> bool:
        """Whether all samples of one device came."""
        if not hasattr(self._own, "http"):
            self._own.http = HTTPConnection("127.0.0.1", self._listens, timeout=30)
        self._own.http.request("GET", f"/snmp?module=bench&target={address}:{self._port}")
        body = self._own.http.getresponse().read()
        return len(re.findall(rb"^oid_", body, re.M)) == VARBINDS


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _version() -> str:
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    return (said.stdout + said.stderr).split("version ")[1].split()[0]


def _wait_for(listens: int) -> None:
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        http = HTTPConnection("127.0.0.1", listens, timeout=1)
        with suppress(OSError, HTTPException):
            http.request("GET", "/")
            http.getresponse().read()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{PROGRAM} does not answer on port {listens}")


def main(counters: Path, port: int, devices: int) -> None:
    if shutil.which(PROGRAM) is None:
        sys.exit(f"{PROGRAM} is not installed here")
    listens = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="ascii") as file:
        file.write(configuration())
        file.flush()
        server = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "TERM", PROGRAM),
                f"--config.file={file.name}",
                f"--web.listen-address=127.0.0.1:{listens}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(listens)
            used: Callable[[], float] = partial(_cpu_s, server.pid)
            scraper = Scraper(listens, port)
            measuring = Measuring(f"{PROGRAM} {_version()}, {AT_ONCE} scrapes", counters, used)
            with ThreadPoolExecutor(AT_ONCE) as threads:
                complete = sum(threads.map(scraper.scrape, addresses(devices)))
            measuring.done(devices, complete).tell()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
