"""Printers that speak IPP: CUPS' own ippeveprinter, and a CUPS server with one queue."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.peers import free_port, missing

PRINTER = Path("/usr/sbin/ippeveprinter")
BUS = Path("/usr/bin/dbus-daemon")
CUPSD = Path("/usr/sbin/cupsd")
_START_S = 10.0
_BUS_CONF = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>custom</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
</policy></busconfig>
"""
_CUPSD_CONF = """\
Listen 127.0.0.1:{port}
Browsing Off
WebInterface No
DefaultAuthType None
<Location />
Order allow,deny
Allow all
</Location>
<Policy default>
<Limit All>
Order allow,deny
Allow all
</Limit>
</Policy>
"""
_QUEUE = """\
<Printer hall>
Info Hall
Location Hall, ground floor
DeviceURI ipp://127.0.0.1:{device_port}/ipp/print
State Idle
Accepting Yes
Type 4
Attribute marker-colors \\#000000,#00FFFF
Attribute marker-levels 75,-3
Attribute marker-names Black toner,Cyan toner
Attribute marker-types toner,toner
</Printer>
"""


@contextmanager
def printer(attributes: str) -> Iterator[int]:
    """The port of 127.0.0.1 at which a printer says these, one `ATTR …` of ipptool(5) each.

    It answers IPP and IPPS. It does not start without a D-Bus that could hold Avahi: the one that
    it is given holds nothing.
    """
    for program in (PRINTER, BUS):
        if not program.exists():
            missing(str(program))
    with _folder() as folder:
        bus = folder / "bus"
        (folder / "bus.conf").write_text(_BUS_CONF.format(socket=bus), encoding="ascii")
        (folder / "printer.conf").write_text(attributes, encoding="utf-8")
        address = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        port = free_port()
        command = [
            *(str(PRINTER), "-n", "localhost", "-p", str(port), "-r", "off", "-c", "/bin/true"),
            *("-a", str(folder / "printer.conf"), "-K", str(folder), "-d", str(folder), "peer"),
        ]
        daemon = [str(BUS), f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile"]
        with _running(daemon, folder, bus), _running(command, folder, port, address):
            yield port


@contextmanager
def cups_queue() -> Iterator[int]:
    """The port of 127.0.0.1 at which a CUPS server has a queue, /printers/hall."""
    with cups_server(_QUEUE.format(device_port=free_port())) as port:
        yield port


@contextmanager
def cups_server(queues: str) -> Iterator[int]:
    """The port of 127.0.0.1 at which a CUPS server has these queues, as printers.conf(5) says."""
    if not CUPSD.exists():
        missing(str(CUPSD))
    with _folder() as folder:
        port = free_port()
        files = {"ServerRoot": "root", "RequestRoot": "spool", "TempDir": "tmp"} | {
            "CacheDir": "cache",
            "StateDir": "state",
        }
        for name in files.values():
            (folder / name).mkdir()
        logs = [f"{kind}Log {folder / kind}" for kind in ("Error", "Access", "Page")]
        places = [f"{key} {folder / name}" for key, name in files.items()]
        (folder / "files.conf").write_text("\n".join([*places, *logs, ""]), encoding="ascii")
        (folder / "cupsd.conf").write_text(_CUPSD_CONF.format(port=port), encoding="ascii")
        (folder / "root" / "printers.conf").write_text(queues, encoding="ascii")
        conf = ["-c", str(folder / "cupsd.conf"), "-s", str(folder / "files.conf")]
        with _running([str(CUPSD), "-f", *conf], folder, port):
            yield port


@contextmanager
def _folder() -> Iterator[Path]:
    """With a short path: the bus' socket is in it."""
    folder = Path(tempfile.mkdtemp(prefix="pagetally-ipp-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: list[str], folder: Path, ready: Path | int, environment: Mapping[str, str] = {}
) -> Iterator[None]:
    """`ready` is the socket or port of 127.0.0.1 that is there when it has started."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        deadline = time.monotonic() + _START_S
        while not _is_there(ready):
            if running.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace")
                raise AssertionError(f"{command[0]} did not start: {said}")
            time.sleep(0.02)
        yield
    finally:
        running.terminate()
        try:
            running.wait(5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _is_there(ready: Path | int) -> bool:
    if isinstance(ready, Path):
        return ready.exists()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", ready)) == 0
