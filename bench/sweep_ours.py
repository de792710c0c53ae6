"""Pagetally's sweep beside its peers: NETWORK PASSES; prints what it found and what it counted."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import aclosing
from ipaddress import ip_network

from services.discovery.plan import Group, Pass, Plan
from services.discovery.sweep import Sweep
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.snmp.wire import V1, V2C
from shared.spans import span_of

WAIT_S = 1.0  # after a pass, as zmap is told to


async def run(typed: str, passes: int) -> None:
    network = ip_network(typed)
    asked = (Pass("public", V2C), Pass("public", V1))[:passes]
    sweep = Sweep(
        Plan((Group((span_of(network),), 161, asked, "sweep"),)),
        ceiling=Ceiling((network,)),
        credentials={"public": PUBLIC},
        rate=0,
        timeout_s=WAIT_S,
    )
    began, cpu_s = time.perf_counter(), time.process_time()
    async with aclosing(sweep.answers()) as answers:
        found = len([answer async for answer in answers])
    told = {
        "found": found,
        "work_s": time.perf_counter() - began,
        "work_cpu_s": time.process_time() - cpu_s,
        "counted": list(vars(sweep.traffic).values()),
        "remarks": sweep.remarks,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
