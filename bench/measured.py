"""What a polling client's pass over its devices cost, as every client of `bench poll` tells it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from bench.simulator import CountersFile

HEADERS = 28  # IPv4 and UDP, octets a datagram


@dataclass(frozen=True)
class Pass:
    """One pass of one client; datagrams and octets are the simulated devices' own count.

    Octets are UDP payload + 28 a datagram. `client` bears its version and settings.
    """

    client: str
    devices: int
    complete: int
    seconds: float
    cpu_s: float
    datagrams_out: int
    datagrams_in: int
    bytes_out: int
    bytes_in: int
    varbinds: int
    note: str = ""

    @property
    def per_second(self) -> float:
        return self.devices / self.seconds

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.devices

    @classmethod
    def of_line(cls, line: str) -> Self:
        return cls(**json.loads(line))

    def tell(self, note: str = "") -> None:
        print(json.dumps(asdict(self) | {"note": note}), flush=True)


class Measuring:
    """Measures from its making to `done`: the work alone, no start of an interpreter, no imports.

    `cpu_s` tells the processor time of the process that asks the devices, all threads, so far.
    """

    def __init__(
        self, client: str, counters: Path, cpu_s: Callable[[], float] = time.process_time
    ) -> None:
        self._client = client
        self._file = CountersFile(counters)
        self._cpu_s = cpu_s
        self._before = self._file.read()
        self._cpu_before = cpu_s()
        self._began = time.perf_counter()

    def done(self, devices: int, complete: int) -> Pass:
        seconds = time.perf_counter() - self._began
        cpu_s = self._cpu_s() - self._cpu_before
        asked = self._file.read().since(self._before)
        return Pass(
            client=self._client,
            devices=devices,
            complete=complete,
            seconds=seconds,
            cpu_s=cpu_s,
            datagrams_out=asked.rx_pkts,
            datagrams_in=asked.tx_pkts,
            bytes_out=asked.rx_bytes + HEADERS * asked.rx_pkts,
            bytes_in=asked.tx_bytes + HEADERS * asked.tx_pkts,
            varbinds=asked.varbinds_out,
        )
