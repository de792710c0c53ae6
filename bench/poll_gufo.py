"""gufo-snmp on the simulated devices: COUNTERS PORT DEVICES SETTING; collects, and builds nothing.

One GET of the 20 single instances and a GETBULK walk of each table, as its own documentation does.
SETTING is sync (20 threads) or how many are asked at a time in asyncio.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from gufo.snmp import aio, sync

from bench.measured import Measuring
from bench.workload import REPETITIONS, SCALARS, TABLES, VARBINDS, addresses

NAME = f"gufo-snmp {version('gufo-snmp')}"
THREADS = 20


async def _async_client(port: int, devices: int, at_once: int) -> int:
    waiting = iter(addresses(devices))
    complete = 0

    async def one(address: str) -> int:
        async with aio.SnmpSession(address, port, timeout=2.0) as session:
            varbinds = dict(await session.get_many(SCALARS))
            for table in TABLES:
                varbinds |= {oid: value async for oid, value in session.getbulk(table, REPETITIONS)}
        return len(varbinds)

    async def worker(waiting: Iterator[str]) -> None:
        nonlocal complete
        for address in waiting:
            got = await one(address)
            complete += got == VARBINDS

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker(waiting))
    return complete


def _sync_client(port: int, devices: int) -> int:
    def one(address: str) -> bool:
        with sync.SnmpSession(address, port, timeout=2.0) as session:
            varbinds = dict(session.get_many(SCALARS))
            for table in TABLES:
                varbinds.update(session.getbulk(table, REPETITIONS))
        return len(varbinds) == VARBINDS

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(one, addresses(devices)))


def main(counters: Path, port: int, devices: int, setting: str) -> None:
    if setting == "sync":
        measuring = Measuring(f"{NAME}, {THREADS} threads", counters)
        complete = _sync_client(port, devices)
    else:
        measuring = Measuring(f"{NAME}, asyncio, {setting} at once", counters)
        complete = asyncio.run(_async_client(port, devices, int(setting)))
    measuring.done(devices, complete).tell()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
