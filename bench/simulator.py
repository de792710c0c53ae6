"""The simulated devices that benchmarks ask: one compiled process that counts what it is asked."""

from __future__ import annotations

import mmap
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

SOURCE = Path(__file__).with_name("snmpsim.c")
_END_S = 5.0


class MissingError(Exception):
    """Something that a benchmark needs is not on this machine; the text says what to install."""


@dataclass(frozen=True)
class Counted:
    """The simulator's own counters, in the order of `struct stats`; octets are UDP payload."""

    rx_pkts: int
    rx_bytes: int
    tx_pkts: int
    tx_bytes: int
    rx_dark: int
    get: int
    getnext: int
    getbulk: int
    varbinds_out: int

    def since(self, before: Counted) -> Counted:
        return Counted(
            *(getattr(self, each.name) - getattr(before, each.name) for each in fields(self))
        )


class CountersFile:
    """Reads the counters while the simulator runs, from any process."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ)

    def read(self) -> Counted:
        return Counted(*struct.unpack_from(f"={len(fields(Counted))}Q", self._map))


class Simulator:
    """Devices on every address of a network within 127.0.0.0/8, while the `with` block runs.

    Args:
        recording: the lines of a .snmprec file, OID|tag|value, that every device answers from.
        network: their addresses, "127.77.0.0/16".
        options: more of the simulator's own, such as ("-a", "0.01"); its source lists them.

    Raises: MissingError, where it cannot be built here.
    """

    def __init__(self, recording: Iterable[str], network: str, options: Sequence[str] = ()) -> None:
        self.port = _free_udp_port()
        self._network = network
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="pagetally-bench-"))
        self.counters = self._folder / "counters"
        self._recording = self._folder / "device.snmprec"
        self._recording.write_text("".join(f"{line}\n" for line in recording), encoding="utf-8")
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._start(_built(self._folder))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.communicate(timeout=_END_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, program: Path) -> None:
        """Returns when it answers."""
        command = [str(program), "-p", str(self.port), "-n", self._network]
        command += ["-S", str(self.counters), *self._options, str(self._recording)]
        self._server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], stderr=subprocess.PIPE, text=True
        )
        assert self._server.stderr is not None
        said = self._server.stderr.readline()
        if not said.startswith("snmpsim: port"):
            raise RuntimeError(f"the simulator did not start: {said.strip()}")


def _built(folder: Path) -> Path:
    """Raises: MissingError."""
    if shutil.which("cc") is None:
        raise MissingError("the simulated devices need a C compiler: apt-get install gcc libc6-dev")
    program = folder / "snmpsim"
    built = subprocess.run(
        ["cc", "-O2", "-o", str(program), str(SOURCE), "-lcrypto"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode == 0:
        return program
    if "openssl/" in built.stderr or "-lcrypto" in built.stderr:
        raise MissingError(
            "the simulated devices need OpenSSL's headers: apt-get install libssl-dev"
        )
    raise RuntimeError(f"{SOURCE.name} does not compile here: {built.stderr[:2000]}")


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
