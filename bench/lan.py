"""A network of its own for a measurement: two namespaces with one Ethernet link between them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from bench.simulator import Simulator
from bench.workload import recording

SIZE = 65_536
NETWORK = "10.20.0.0/16"
_NEAR, _FAR = "10.19.255.1", "10.19.255.2"


class Lan:
    """`near` asks and `far` answers for every address of NETWORK; gone when the block ends.

    Near reaches NETWORK through far as through a router, so that nobody asks for 65,536 hardware
    addresses. What the far side's system does with a datagram is done by another processor where
    there is one, as another machine would, and not by whoever sends. Needs root.
    """

    def __init__(self) -> None:
        self.near, self.far = (f"pgt-{side}-{os.getpid()}" for side in ("near", "far"))
        self.source = _NEAR
        self.interface = "pgt0"
        self.gateway_mac = ""

    @staticmethod
    def missing() -> str | None:
        """What stands in the way; None where nothing does."""
        if os.geteuid():
            return "needs root, for namespaces and an Ethernet link"
        return None if shutil.which("ip") else "iproute2 is not installed here"

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def command(self, namespace: str, *words: str | Path) -> list[str]:
        return ["ip", "netns", "exec", namespace, *map(str, words)]

    def _build(self) -> None:
        for name in (self.near, self.far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", self.interface, "netns", self.near,
            "type", "veth", "peer", "name", self.interface, "netns", self.far)  # fmt: skip
        for name, address in ((self.near, _NEAR), (self.far, _FAR)):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", self.interface)
            _ip("-n", name, "link", "set", self.interface, "up")
        _ip("-n", self.near, "route", "add", NETWORK, "via", _FAR)
        _ip("-n", self.far, "route", "add", "local", NETWORK, "dev", "lo")
        self._receive_on(self.far, (os.cpu_count() or 1) - 1)
        shown = self.command(self.far, "cat", f"/sys/class/net/{self.interface}/address")
        self.gateway_mac = subprocess.check_output(shown, text=True).strip()

    def _receive_on(self, namespace: str, processor: int) -> None:
        """Linux' receive packet steering: Documentation/networking/scaling.rst"""
        steering = f"/sys/class/net/{self.interface}/queues/rx-0/rps_cpus"
        words = self.command(namespace, "tee", steering)
        mask = f"{1 << processor:x}"
        subprocess.run(words, input=mask, text=True, check=True, capture_output=True)


class FarDevices(Simulator):
    """Simulated devices in the far namespace, on the port that peers know.

    Args:
        share: of the addresses that answer, "0.01" or "all"; `alive` is how many these are.
    """

    def __init__(self, lan: Lan, share: str) -> None:
        super().__init__(recording(), NETWORK, ("-a", share))
        self.port = 161
        self.alive = 0
        self._lan = lan
        self._share = share

    def _start(self, program: Path) -> None:
        listed = [str(program), "-n", NETWORK, "-a", self._share, "-L", str(self._recording)]
        self.alive = len(subprocess.check_output(listed, text=True).splitlines())
        there = program.with_name("there")
        words = " ".join(self._lan.command(self._lan.far, program))
        there.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="ascii")
        there.chmod(0o700)
        super()._start(there)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
