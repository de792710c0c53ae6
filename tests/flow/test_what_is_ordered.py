"""A search over real UDP orders every printing device to be read, label printers too, and nothing
else: no switch, no computer with print queues, and none of the recordings of other devices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.messages import RoundFinished, SnmpTarget
from tests.flow.fleet import RECORDINGS, WALKS, addressed, devices
from tests.network.lab import only
from tests.network.searching import main, messages
from tests.peers.agent import free_udp_port

SEGMENT = "127.34.0.0/24"
HR_DEVICE, PRINTER = "1.3.6.1.2.1.25.3.2.1", "1.3.6.1.2.1.25.3.1.5"
# as net-snmp lists the print queues of a computer
QUEUE: Rows = {
    f"{HR_DEVICE}.1.327681": ("Integer32", 327681),
    f"{HR_DEVICE}.2.327681": ("ObjectIdentifier", PRINTER),
    f"{HR_DEVICE}.3.327681": ("OctetString", b"office-queue"),
    f"{HR_DEVICE}.5.327681": ("Integer32", 2),
    "1.3.6.1.2.1.25.3.5.1.1.327681": ("Integer32", 3),
}


def system(description: bytes, object_id: str) -> Rows:
    return {
        "1.3.6.1.2.1.1.1.0": ("OctetString", description),
        "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", object_id),
        "1.3.6.1.2.1.1.3.0": ("TimeTicks", 123456),
    }


LINUX, UNKNOWN = "1.3.6.1.4.1.8072.3.2.10", "1.3.6.1.4.1.99999.1"
OTHERS: dict[str, Rows] = {
    "127.34.0.240": {**system(b"Linux files 6.1.0-18-amd64", LINUX), **QUEUE},
    "127.34.0.241": {**system(b"a storage box with a queue", UNKNOWN), **QUEUE},
    "127.34.0.242": system(b"24-port switch", UNKNOWN),
}


async def test_a_search_orders_what_prints_and_nothing_else(tmp_path: Path) -> None:
    by_address, agents = addressed(devices(WALKS, RECORDINGS), "127.34.0.1", free_udp_port())
    [port] = {port for _, port in agents}
    agents |= {(at, port): SimulatedAgent(rows) for at, rows in OTHERS.items()}
    async with simulate(agents):
        finished = await searched(tmp_path, port)

    ordered = {
        order.target.snmp
        for part in finished
        for order in part.orders
        if isinstance(order.target, SnmpTarget)
    }
    wanted = {at for at, one in by_address.items() if one.prints and one.shows_itself}
    name = {at: one.name for at, one in by_address.items()}
    assert {name[at] for at in ordered} == {name[at] for at in wanted}
    assert "zebra-label" in {name[at] for at in ordered}


async def searched(folder: Path, port: int) -> list[RoundFinished]:
    (folder / "ceiling.toml").write_text(
        f'networks = ["127.34.0.0/16"]\nports = [{port}]\npace = 5000\n', encoding="ascii"
    )
    asked: dict[str, Any] = {
        "kind": "search",
        "scope": {
            "segments": [SEGMENT],
            "credentials": [{"range": SEGMENT, "credentials": ["public"]}],
        },
        "state": str(folder),
        "discovery": {"port": port, "rate": 5000, "timeout_s": 1.0},
    }
    return only(RoundFinished, messages(await main(asked)))
