"""Programs that sweep a /16 for SNMP, and what one sweep of theirs cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lan import NETWORK, FarDevices, Lan
from bench.simulator import Counted, CountersFile
from services.discovery.identify import FIRST_QUESTION
from shared.snmp.wire import GET, V2C, encode_request

_HEADERS = 28  # IPv4 and UDP, octets a datagram
_LONGEST_S = 60.0
_REST_S = 0.2


@dataclass(frozen=True)
class Swept:
    """One sweep, from the program's start to its end.

    `asked` are the datagrams that came to the network, by the devices' own count. `work_s` and
    `work_cpu_s` are ours alone: without the start of the interpreter and its imports.
    """

    seconds: float
    cpu_s: float
    asked: int
    found: int
    work_s: float = 0.0
    work_cpu_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sweeper:
    name: str
    command: Sequence[str | Path]
    found_in: Callable[[str], int]  # in what it printed
    tells_work: bool = False


def ours() -> Iterator[Sweeper]:
    """The sweep as services/discovery runs it, alone; and the whole command, which judges too."""
    for passes in ("1", "2"):
        command = (sys.executable, "-m", "bench.sweep_ours", NETWORK, passes)
        name = f"Pagetally, {passes} pass{'es' if passes > '1' else ''}"
        yield Sweeper(name, command, lambda said: int(json.loads(said)["found"]), tells_work=True)
    words = ("sweep", NETWORK, "--rate", "0", "--timeout", "1", "--yes", "--json")
    whole = (sys.executable, "-m", "services.cli", *words)
    name = "pagetally sweep, 2 passes, judged"
    yield Sweeper(name, whole, lambda said: int(json.loads(said.splitlines()[-1])["answered"]))


def zmap(lan: Lan, folder: Path) -> Sweeper | None:
    """With the same question as ours; None, and said, where it is not installed."""
    if not _is_installed("zmap"):
        return None
    empty = folder / "empty"  # its own files keep private networks out
    empty.touch()
    question = encode_request(V2C, b"public", GET, 0x4BADCAFE, FIRST_QUESTION).hex()
    command = (
        *("zmap", "-q", "-v", "0", "--disable-syslog", "-C", empty, "-b", empty),
        *("-i", lan.interface, "-G", lan.gateway_mac, "-S", lan.source),
        *("-M", "udp", "-p", "161", f"--probe-args=hex:{question}"),
        *("-r", "200000", "-c", "1", "-o", "-", NETWORK),
    )
    return Sweeper(_first_line("zmap", "--version"), command, lambda said: len(said.splitlines()))


def onesixtyone() -> Sweeper | None:
    if not _is_installed("onesixtyone"):
        return None
    name = " ".join(_first_line("onesixtyone").split()[:2])
    command = ("onesixtyone", "-w", "0", NETWORK, "public")
    return Sweeper(name, command, lambda said: said.count("[public]"))


def sweep(sweeper: Sweeper, lan: Lan, devices: FarDevices) -> Swept:
    """Raises: RuntimeError, where the program fails or does not end."""
    before = _settled(devices)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        command = lan.command(lan.near, *sweeper.command)
        began = time.perf_counter()
        status, cpu_s = _run(command, said.fileno())
        seconds = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    if status:
        raise RuntimeError(f"{sweeper.name} ended with {status}: {text[-300:]}")
    asked = _settled(devices).since(before)
    told = json.loads(text) if sweeper.tells_work else {}
    notes = list(told.get("remarks", ()))
    theirs = [asked.rx_pkts, asked.tx_pkts, asked.rx_bytes, asked.tx_bytes]
    theirs[2:] = [theirs[2] + _HEADERS * theirs[0], theirs[3] + _HEADERS * theirs[1]]
    if told and told["counted"] != theirs:
        notes.append(f"counted {told['counted']} itself, the devices {theirs}")
    return Swept(
        seconds,
        cpu_s,
        asked.rx_pkts,
        sweeper.found_in(text),
        told.get("work_s", 0.0),
        told.get("work_cpu_s", 0.0),
        tuple(notes),
    )


def _settled(devices: FarDevices) -> Counted:
    """The devices' counters when they rest: some have answers to give after who asked has left."""
    counters = CountersFile(devices.counters)
    last, now = None, counters.read()
    while now != last:
        time.sleep(_REST_S)
        last, now = now, counters.read()
    return now


def _run(command: Sequence[str], output: int) -> tuple[int, float]:
    """The exit status, and the processor time of all its threads."""
    program = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
    timer = threading.Timer(_LONGEST_S, program.kill)
    timer.start()
    try:
        _, status, used = os.wait4(program.pid, 0)
    finally:
        timer.cancel()
    program.returncode = os.waitstatus_to_exitcode(status)
    return program.returncode, used.ru_utime + used.ru_stime


def _is_installed(program: str) -> bool:
    if shutil.which(program):
        return True
    print(f"sweep    {program} left out: it is not installed here")
    return False


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]
