"""Sweeps networks of loopback in which nobody listens; prints by how many kB the peak rose."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from ipaddress import ip_network
from pathlib import Path

from services.discovery.find import findings
from services.discovery.identify import load_makers
from services.discovery.plan import Group, Pass, Plan
from services.discovery.sweep import Sweep
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.snmp.client import SnmpClient
from shared.snmp.wire import V1
from shared.spans import size_of, span_of

PORT = 9
ALLOWED = Ceiling((ip_network("127.16.0.0/12"),), frozenset({PORT}))
SMALL = ("127.16.0.0/24", "127.32.0.0/24")  # sent to in silence, and refused at the socket
LARGE = ("127.16.0.0/16", "127.32.0.0/16")


async def sweep_through(networks: Sequence[str]) -> None:
    spans = tuple(span_of(ip_network(text)) for text in networks)
    plan = Plan((Group(spans, PORT, (Pass("public", V1),), "sweep"),))
    public = {"public": PUBLIC}
    sweep = Sweep(plan, ceiling=ALLOWED, credentials=public, rate=0, timeout_s=0.1)
    async with (
        SnmpClient(ALLOWED) as client,
        aclosing(findings(sweep, client, public, load_makers())) as found,
    ):
        assert [one async for one in found] == []
    assert sweep.traffic.packets_out == size_of(spans[:1])
    assert [place for places in sweep.unsendable.values() for place in places] == [(spans[1], PORT)]


def peak_after(networks: Sequence[str]) -> int:
    """In kB; not getrusage's, which a process has from the one that started it."""
    asyncio.run(sweep_through(networks))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    before = peak_after(SMALL)
    sys.stdout.write(f"{peak_after(LARGE) - before}\n")
