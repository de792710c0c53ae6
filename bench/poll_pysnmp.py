"""pysnmp's own stack on the simulated devices: COUNTERS PORT DEVICES; collects, builds nothing.

hlapi.v3arch without MIB look-ups, its engine and the 20 single instances made once, the walks as
GETBULKs; ten at a time, since more slow it down.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
)
from pysnmp.proto.rfc1902 import ObjectName

from bench.measured import Measuring
from bench.workload import REPETITIONS, SCALARS, TABLES, VARBINDS, addresses

AT_ONCE = 10


class Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._engine = SnmpEngine()
        self._community = CommunityData("public")
        self._context = ContextData()
        self._scalars = [_asked(oid) for oid in SCALARS]

    async def one(self, address: str) -> bool:
        """Whether all varbinds of one device came."""
        target = await UdpTransportTarget.create((address, self._port), timeout=2, retries=3)
        whom = (self._engine, self._community, target, self._context)
        _, _, _, varbinds = await get_cmd(*whom, *self._scalars, lookupMib=False)
        found = dict(varbinds)
        for table in TABLES:
            entry = last = ObjectName(table)
            while entry.isPrefixOf(last):
                _, _, _, varbinds = await bulk_cmd(
                    *whom, 0, REPETITIONS, _asked(last), lookupMib=False
                )
                found.update((oid, value) for oid, value in varbinds if entry.isPrefixOf(oid))
                last = varbinds[-1][0]
        return len(found) == VARBINDS


def _asked(oid: str | ObjectName) -> ObjectType:
    return ObjectType(ObjectIdentity(oid))


async def run(counters: Path, port: int, devices: int) -> None:
    client = Client(port)
    waiting = iter(addresses(devices))
    complete = 0

    async def worker(waiting: Iterator[str]) -> None:
        nonlocal complete
        for address in waiting:
            whole = await client.one(address)
            complete += whole

    await client.one(addresses(1)[0])  # loads the MIBs that it wants
    measuring = Measuring(f"pysnmp {version('pysnmp')}, hlapi.v3arch", counters)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker(waiting))
    measuring.done(devices, complete).tell()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
