"""`pagetally site` as a process of its own, and a hub that it sends to."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ingest.gaps import gaps
from services.solo.simulator import SimulatedAgent, simulate
from tests.flow.agent import SiteAgent
from tests.flow.fleet import WALKS, Device, addressed, devices
from tests.flow.hub import Hub, eventually, running_hub
from tests.flow.proc import bound_by, children_of, ephemeral_ports
from tests.peers.agent import Agents

FIRST = "127.50.0.1"
SLOW_S = 0.05  # what a device takes to answer, so that a round lasts some seconds
ROUND_S = 40.0


class Site:
    """Devices, an agent that is to read them, and a hub."""

    def __init__(
        self,
        hub: Hub,
        agent: SiteAgent,
        by_address: dict[str, Device],
        simulated: dict[tuple[str, int], SimulatedAgent],
    ) -> None:
        self.hub = hub
        self.agent = agent
        self.printing = {at: device for at, device in by_address.items() if device.prints}
        self._simulated = simulated

    def slow(self) -> None:
        for simulated in self._simulated.values():
            simulated.delay_s = SLOW_S

    @property
    def asked(self) -> int:
        """Datagrams that the devices were sent."""
        return sum(simulated.requests for simulated in self._simulated.values())

    async def has_reads(self, count: int) -> None:
        async def enough() -> bool:
            return await self.hub.count("read") >= count

        await eventually(enough, ROUND_S, self.agent.said)

    async def has_closed_its_round(self) -> None:
        async def closed() -> bool:
            orders = [one for parts in (await self.hub.rounds()).values() for one in parts]
            return bool(orders) and len(await self.hub.outcomes()) >= len(self.printing)

        await eventually(closed, ROUND_S, self.agent.said)

    async def each_order_has_one_outcome(self) -> None:
        """Of one round, by name; nothing is missing in the spool's numbers."""
        [(round_id, parts)] = (await self.hub.rounds()).items()
        orders = {one.order for part in parts for one in part.orders}
        assert len(orders) == len(self.printing)
        assert await self.hub.outcomes() == dict.fromkeys(orders, "read")
        rows = await self.hub.rows(
            "select round_id, order_id from read union all select round_id, order_id"
            " from read_failed"
        )
        assert sorted(row["order_id"] for row in rows) == sorted(orders)
        assert {row["round_id"] for row in rows} == {round_id}
        assert not await gaps(self.hub.store, self.hub.site)

    async def totals(self) -> dict[str, int | None]:
        rows = await self.hub.rows(
            "select r.address, m.value from read r left join meter m"
            " on m.site_id = r.site_id and m.read_id = r.id and m.name = 'total'"
        )
        return {row["address"]: row["value"] for row in rows}


@pytest.fixture
async def site(store_url: str, tmp_path: Path, agents: Agents) -> AsyncIterator[Site]:
    by_address, simulated = addressed(devices(WALKS), FIRST, agents.port)
    key_file = tmp_path / "site.key"
    async with simulate(simulated), running_hub(store_url, tmp_path / "ca", key_file) as hub:
        targets = [f"{address}:{agents.port}" for address in by_address]
        url = f"https://127.0.0.1:{hub.port}"
        agent = SiteAgent(tmp_path, key_file, hub_url=url, pin=hub.pin, targets=targets)
        yield Site(hub, agent, by_address, simulated)


async def ended(agent: subprocess.Popen[bytes], within_s: float = 30) -> int:
    return await asyncio.to_thread(agent.wait, within_s)


async def test_an_agent_alone_reads_and_sends_and_nothing_can_be_sent_to_it(site: Site) -> None:
    with site.agent.running() as agent:
        await site.has_closed_its_round()

        bound = bound_by(agent.pid)
        assert not children_of(agent.pid)
        agent.send_signal(signal.SIGTERM)
        assert await ended(agent) == 0, site.agent.said()

    assert all(one.address.is_loopback for one in bound if one.kind.startswith("tcp")), bound
    # SNMP's answers come to a client's port
    assert all(one.port in ephemeral_ports() for one in bound if one.kind.startswith("udp")), bound
    assert [file.name for file in site.agent.state.iterdir()] == ["agent"]
    await site.each_order_has_one_outcome()
    assert await site.totals() == {at: device.total for at, device in site.printing.items()}


async def test_a_wrong_pin_is_refused_in_words_and_nothing_is_sent(site: Site) -> None:
    site.agent.pin = "sha256:" + "0" * 64
    with site.agent.running() as agent:
        code = await ended(agent)

    assert code == 1
    [said] = site.agent.said().splitlines()
    assert said.startswith(f"pagetally: 127.0.0.1:{site.hub.port}: its CA has the fingerprint")
    assert f"{site.hub.pin}, but {site.agent.pin} was pinned; nothing was sent" in said
    assert site.asked == 0
    assert await site.hub.count("spool") == 0  # no batch came, not even an empty one
    assert not list(site.agent.state.glob("agent/ca-*.pem"))


async def test_a_hub_that_is_away_for_a_while_misses_nothing(site: Site) -> None:
    site.slow()
    with site.agent.running() as agent:
        await site.has_reads(2)
        await site.hub.stop()
        had = await site.hub.count("message")
        with site.agent.spool() as spool:

            async def round_ended() -> bool:
                return spool.last() > len(site.printing)

            async def all_sent() -> bool:
                return spool.count_waiting() == 0

            await eventually(round_ended, ROUND_S, site.agent.said)
            assert spool.count_waiting() >= len(site.printing) - had
            await site.hub.start()
            await eventually(all_sent, ROUND_S, site.agent.said)
        assert agent.poll() is None

    await site.each_order_has_one_outcome()


async def test_stopped_and_killed_in_mid_round_it_ends_that_round_when_started_again(
    site: Site,
) -> None:
    site.slow()
    with site.agent.running() as agent:
        await site.has_reads(2)
        agent.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert await ended(agent) == 0, site.agent.said()
        assert time.monotonic() - begun < 30
    assert not await site.hub.rounds()

    with site.agent.running() as agent:
        await site.has_reads(await site.hub.count("read") + 2)
        agent.kill()
        await ended(agent)
    assert not await site.hub.rounds()

    with site.agent.running() as agent:
        await site.has_closed_its_round()
    await site.each_order_has_one_outcome()
    assert site.agent.said().count('event="round begun"') == 1
