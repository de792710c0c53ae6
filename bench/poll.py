"""Reading devices: complete MeterReads of ours beside peers that only collect the varbinds.

Every client runs in a process of its own on the same simulated devices, in rounds, one after the
other, so that all see the same machine; what is told are the medians of the rounds.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.copies import ROOT, copies, environment
from bench.measured import Pass
from bench.simulator import MissingError, Simulator
from bench.workload import NETWORK, recording

ROUNDS = 5
LAST_BEGINS_S = 120.0  # no round begins later than this after the first
_ENDS_S = 175.0  # a client that is still at work then is left out


@dataclass(frozen=True)
class Client:
    module: str
    devices: int
    settings: tuple[str, ...] = ()
    copy: Path = ROOT


OURS = [Client("poll_ours", 2000, (name,), copy) for name, copy in copies().items()]
GUFO = tuple(Client("poll_gufo", 1500, (setting,)) for setting in ("50", "200", "sync"))
PYSNMP = Client("poll_pysnmp", 40)
EXPORTER = Client("poll_exporter", 600)
CLIENTS = (*OURS, *GUFO, PYSNMP, EXPORTER)

Rounds = dict[Client, list[list[Pass]]]  # a client's passes, round by round


async def run() -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(
            f"poll     load {load:.1f} on {cores} cores: clients of many threads get more of a busy"
            " machine than those of one, and rates favour them"
        )
    try:
        with Simulator(recording(), NETWORK) as simulator:
            rounds = await asyncio.to_thread(_rounds, simulator)
    except MissingError as missing:
        print(f"poll     left out: {missing}")
        return
    for passes in rounds.values():
        for name in range(len(passes[0])):
            print(_line([each[name] for each in passes]))
    for ours in OURS:
        if ours in rounds:
            _tell_bars(ours, rounds)


def _rounds(simulator: Simulator) -> Rounds:
    """What each client that is there told; one that cannot be run is said, and left out."""
    rounds: Rounds = {client: [] for client in CLIENTS}
    began = time.monotonic()
    for number in range(ROUNDS):
        if time.monotonic() - began > LAST_BEGINS_S:
            print(f"poll     {number} rounds instead of {ROUNDS}: this machine is slow or busy")
            break
        for client in list(rounds):
            try:
                left_s = began + _ENDS_S - time.monotonic()
                rounds[client].append(_ask(client, simulator, left_s))
            except (subprocess.SubprocessError, ValueError) as error:
                name = " ".join((client.module, *client.settings))
                print(f"poll     {name} left out: {_why(error)}")
                del rounds[client]
    return rounds


def _ask(client: Client, simulator: Simulator, timeout_s: float) -> list[Pass]:
    """Raises: subprocess.SubprocessError, ValueError."""
    places = (str(simulator.counters), str(simulator.port), str(client.devices))
    done = subprocess.run(
        [sys.executable, "-P", "-m", f"bench.{client.module}", *places, *client.settings],
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout_s,
        env=environment(client.copy),
    )
    return [Pass.of_line(line) for line in done.stdout.splitlines()]


def _why(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines: list[str] = said.strip().splitlines()
    return lines[-1][:300] if lines else type(error).__name__


def _line(passes: Sequence[Pass]) -> str:
    def each(what: Callable[[Pass], float]) -> float:
        return median(map(what, passes))

    lost = sum(passed.devices - passed.complete for passed in passes)
    notes = [f"{lost} reads incomplete"] if lost else []
    notes += {passed.note for passed in passes if passed.note}
    return (
        f"poll     {passes[0].client:<50}"
        f" {each(lambda p: p.per_second):6.0f} devices/s"
        f" {each(lambda p: p.cpu_ms):7.3f} ms CPU"
        f" {each(lambda p: p.datagrams_out / p.devices):5.2f} datagrams out"
        f" {each(lambda p: p.bytes_out / p.devices):5.0f} + "
        f"{each(lambda p: p.bytes_in / p.devices):4.0f} octets"
        f" {each(lambda p: p.varbinds / p.devices):4.0f} varbinds"
        f"{'; ' if notes else ''}{'; '.join(notes)}"
    )


def _tell_bars(client: Client, rounds: Rounds) -> None:
    for at, temperature in enumerate(("cold", "warm")):
        ours = [passes[at] for passes in rounds[client]]
        name = f"{client.settings[0]}, {temperature}"
        if gufo := _fastest(rounds, GUFO):
            _tell(name, f"the rate of {gufo[0].client}", 1.5, _rates(ours, gufo))
        if pysnmp := _fastest(rounds, [PYSNMP]):
            _tell(name, f"the rate of {pysnmp[0].client}", 60, _rates(ours, pysnmp))
        if exporter := _fastest(rounds, [EXPORTER]):
            less = median(b.cpu_ms / a.cpu_ms for a, b in zip(ours, exporter, strict=False))
            _tell(name, f"our CPU a device is what {exporter[0].client} takes", 3, less)
        asked = max(passed.datagrams_out / passed.devices for passed in ours)
        most = 4 if temperature == "cold" else 2
        held = "held" if asked <= most else "MISSED"
        print(f"poll     {name}: {asked:.2f} request datagrams a device; at most {most}: {held}")


def _fastest(rounds: Rounds, clients: Sequence[Client]) -> list[Pass]:
    """The passes of the client with the best median rate, of those that ran."""
    ran = [[one for [one] in rounds[client]] for client in clients if client in rounds]
    return max(ran, key=lambda passes: median(p.per_second for p in passes), default=[])


def _rates(ours: Sequence[Pass], theirs: Sequence[Pass]) -> float:
    """The median of the rounds' ratios: what slows a round slows both."""
    return median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=False))


def _tell(name: str, what: str, bar: float, ratio: float) -> None:
    held = "held" if ratio >= bar else "MISSED"
    print(f"poll     {name}: {ratio:.2f} times {what}; at least {bar:g}: {held}")
