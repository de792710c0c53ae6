"""What leaves a site's box, captured: nothing but SNMP to what the site's ceiling names, and the
hub's or the broker's own connection, whatever a hub asks for and whoever forges an order.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest

from services.solo.simulator import Rows, SimulatedAgent
from shared.bus.port import UPLOADER_EVENTS, Delivery
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from shared.message import Message
from shared.messages import (
    DeviceFound,
    IppTarget,
    MeterRead,
    ReadFailed,
    SnmpTarget,
    Target,
    order_id,
)
from shared.snmprec import read_snmprec
from shared.store.scope import set_scope
from tests.faults.walled import GATEWAY, Walled, walled
from tests.flow.agent import SiteAgent
from tests.flow.fleet import WALKS
from tests.flow.hub import eventually, running_hub
from tests.network.table import Row, rows
from tests.peers.namespaces import ROOT, Devices, Packet, mounts

CEILING = ip_network("10.99.1.0/29")
PRINTERS = {"10.99.1.1": "kyocera-colour-mfp", "10.99.1.2": "mono-laser", "10.99.1.6": "sparse-v1"}
NAMES = {"inside.example": "10.99.1.2", "outside.example": "10.99.2.7", "home.example": "127.0.0.1"}
REFUSED_SEGMENTS = [
    "128.0.0.0/1",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "::/0",
    "fd00:99::/120",
]
REFUSED_TARGETS = [
    "10.99.2.7",
    "8.8.8.8",
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "[fd00:99::7]:161",
    "::ffff:8.8.8.8",
    "10.99.1.1:9100",
    "10.99.1.1:515",
    "broadcast",
    # without its own /etc/hosts the box would ask a name server, which is no part of this
    *(["outside.example", "home.example"] if mounts() else []),
]
EVERYTHING = {
    "segments": ["0.0.0.0/0", "0.0.0.0/1", "10.99.1.0/24", *REFUSED_SEGMENTS],
    "targets": [*(["inside.example"] if mounts() else []), *REFUSED_TARGETS],
    "credentials": [
        {"range": "0.0.0.0/0", "credentials": ["public"]},
        {"range": "fd00:99::/118", "credentials": ["public"]},
    ],
}
FORGED: Sequence[Target] = [
    *(
        SnmpTarget(snmp=address)
        for address in (
            "10.99.1.8",  # the first beyond
            "10.99.0.1",
            "10.99.2.7",
            "8.8.8.8",
            "100.64.0.1",
            "127.0.0.1",
            "0.0.0.0",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "fd00:99::7",
            "2001:db8::7",
            "fe80::7%box0",
            "ff02::1%box0",
            "::1",
            "::ffff:8.8.8.8",
        )
    ),
    *(SnmpTarget(snmp="10.99.1.1", port=port) for port in (9100, 515, 631, 53)),
    IppTarget(ipp="ipp://10.99.1.1:631/ipp/print"),  # found by a sweep, as order_for says
]
FORGED_AS_ADDED = [
    IppTarget(ipp=f"ipp://{place}/ipp/print")
    for place in ("10.99.1.8", "10.99.1.1:9100", "10.99.1.1:161", "127.0.0.1", "[::1]", "8.8.8.8")
]


TABLE = rows()
SITE = {"discovery", "poller", "uploader"}


class Site:
    def __init__(self, made: Walled, folder: Path) -> None:
        self.walled = made
        self.state = folder / "state"
        agent_files = self.state / "agent"
        agent_files.mkdir(parents=True)
        (agent_files / "ceiling.toml").write_text(f'networks = ["{CEILING}"]\n', encoding="ascii")
        silent = {str(at): SimulatedAgent({}, silent=True) for at in CEILING}
        self.elsewhere = SimulatedAgent(rows_of("mono-laser"))
        self.devices = Devices(
            made.there,
            silent | {at: SimulatedAgent(rows_of(name)) for at, name in PRINTERS.items()},
            self.elsewhere,
        )


def rows_of(name: str) -> Rows:
    return read_snmprec(WALKS / f"{name}.snmprec")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with walled(NAMES, tmp_path) as made:
        site = Site(made, tmp_path)
        with site.devices.answering():
            yield site


def strays(packets: Iterable[Packet], upstream: tuple[str, int]) -> list[Packet]:
    """What was sent and is in no row of docs/network.md that holds for this site.

    What kernels say by themselves (neighbours, unreachable ports) is none.

    Args:
        upstream: the hub or the broker, which stands at GATEWAY, and its port there.
    """
    peer, port = upstream
    return [
        one
        for one in packets
        if one.is_sent
        and one.protocol not in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6, socket.IPPROTO_HOPOPTS)
        and not any(
            (row.peer == "devices" and row.by_default == "yes" and _is_to_a_device(row, one))
            or (
                row.peer == peer
                and "TCP" in row.transports
                and (one.destination, one.destination_port) == (ip_address(GATEWAY), port)
            )
            for row in TABLE
            if row.direction == "out" and row.services & SITE
        )
    ]


def _is_to_a_device(row: Row, packet: Packet) -> bool:
    transport = {socket.IPPROTO_UDP: "UDP", socket.IPPROTO_TCP: "TCP"}.get(packet.protocol)
    return (
        packet.destination in CEILING
        and transport in row.transports
        and any(first <= packet.destination_port <= last for first, last in row.ports)
    )


def conversations(packets: Iterable[Packet]) -> dict[int, tuple[int, int]]:
    """UDP packets and octets, both ways, by the box's own port."""
    counted: dict[int, tuple[int, int]] = {}
    for one in packets:
        if one.protocol == socket.IPPROTO_UDP:
            port = one.source_port if one.is_sent else one.destination_port
            number, octets = counted.get(port, (0, 0))
            counted[port] = number + 1, octets + one.octets
    return counted


async def test_what_would_be_a_stray_is_captured(site: Site) -> None:
    """Else the tests below would be green whatever left the box."""
    wanted = ["8.8.8.8", "10.99.1.8", "127.0.0.1", "224.0.0.1", "fd00:99::7"]
    for address in wanted:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with site.walled.box.socket(family, socket.SOCK_DGRAM) as stray:
            stray.sendto(b"stray", (address, 161))
    with site.walled.box.socket(socket.AF_INET, socket.SOCK_STREAM) as stray:
        stray.setblocking(False)
        stray.connect_ex(("10.99.1.1", 9100))
    await asyncio.sleep(0.1)

    seen = strays(site.walled.capture.packets(), ("hub", 0))

    assert {str(one.destination) for one in seen} == {*wanted, "10.99.1.1"}
    assert site.elsewhere.requests == 3  # those of loopback, IPv6 and TCP do not reach it


async def test_a_hub_that_asks_for_everything_gets_what_the_ceiling_names(
    site: Site, store_url: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "site.key"
    until = utc_now() + timedelta(minutes=5)
    ask = {"id": str(uuid4()), "kind": "search", "until": until.isoformat()}
    async with (
        running_hub(store_url, tmp_path / "ca", key_file, names=[GATEWAY]) as hub,
        site.walled.relayed(hub.port) as port,
    ):
        await set_scope(
            hub.store, hub.site.id, EVERYTHING | {"asks": [ask]}, author="hub", now=utc_now()
        )
        agent = SiteAgent(
            tmp_path,
            key_file,
            hub_url=f"https://{GATEWAY}:{port}",
            pin=hub.pin,
            within=site.walled.box.within,
        )
        with agent.running() as running:

            async def closed() -> bool:
                return bool(await hub.rounds()) and len(await hub.outcomes()) >= len(PRINTERS)

            await eventually(closed, 30, agent.said)
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, 30) == 0
        packets = site.walled.capture.packets()
        [(finished,)] = (await hub.rounds()).values()
        reads = await hub.reads()

    assert strays(packets, ("hub", port)) == []
    assert site.elsewhere.requests == 0
    assert {one.target.key for one in reads} == {SnmpTarget(snmp=at).key for at in PRINTERS}
    assert finished.asked == CEILING.num_addresses
    assert {one.target for one in finished.not_reached} >= {*REFUSED_SEGMENTS, *REFUSED_TARGETS}
    # every octet is counted: the poller's by the reads, discovery's by the round
    counted = conversations(packets)
    reading = sum(one.datagrams for one in reads), sum(one.bytes for one in reads)
    assert reading in counted.values()
    searching = [both for both in counted.values() if both != reading]
    packet_count, octets = map(sum, zip(*searching, strict=True))
    assert (finished.packets, finished.bytes) == (packet_count, octets)


@contextmanager
def poller(site: Site, broker: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as said:
        started = subprocess.Popen(
            [*site.walled.box.within, sys.executable, "-P", "-m", "services.cli", "poller"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PAGETALLY_STATE": str(site.state),
                "POLLER_BUS_URL": broker,
            },
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def test_forged_orders_are_refused_with_the_reason_and_cause_no_datagram(
    site: Site, rabbit_vhost: str, tmp_path: Path
) -> None:
    outcomes: dict[UUID, Message] = {}

    async def came(message: Message, _: Delivery) -> Sequence[Message]:
        assert isinstance(message, MeterRead | ReadFailed)
        outcomes[message.order] = message
        return []

    orders = [
        *map(order_for, FORGED),
        *(order_for(target, "named") for target in FORGED_AS_ADDED),
        order_for(SnmpTarget(snmp="10.99.1.1")),
    ]

    async def all_came() -> bool:
        return len(outcomes) == len(orders)

    address, _, vhost = rabbit_vhost.rpartition("/")
    log = tmp_path / "poller.log"
    bus = RabbitBus(rabbit_vhost, feeds=[])
    bus.on(UPLOADER_EVENTS, came, prefetch=50)
    async with site.walled.relayed(int(address.rpartition(":")[2])) as port:
        with poller(site, f"amqp://guest:guest@{GATEWAY}:{port}/{vhost}", log) as running:
            await bus.start()
            try:
                for order in orders:
                    await bus.publish(order)
                await eventually(all_came, 30, log.read_text)
            finally:
                await bus.stop()
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, 30) == 0
        packets = site.walled.capture.packets()

    assert strays(packets, ("broker", port)) == []
    assert site.elsewhere.requests == 0
    *forged, genuine = (outcomes[order.order] for order in orders)
    assert isinstance(genuine, MeterRead)
    for failed in forged:
        assert isinstance(failed, ReadFailed)
        assert failed.outcome == "refused"
        if isinstance(failed.target, SnmpTarget):
            assert failed.reason.startswith(failed.target.snmp)
    assert conversations(packets).popitem()[1] == (genuine.datagrams, genuine.bytes)


def order_for(target: Target, found_by: Literal["sweep", "named"] = "sweep") -> DeviceFound:
    round_id = uuid4()
    return DeviceFound(
        order=order_id(round_id, target),
        round=round_id,
        target=target,
        found_by=found_by,
        credential="public",
        read_before=utc_now() + timedelta(minutes=5),
    )
