"""An address changes hands: nothing of the one device is ever found in a read of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count, product
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.credentials import Credential, save_credential
from shared.messages import ReadFailed
from tests.contract.device_pairs import CHANGED, COLOUR, OTHERS, SILENT_ABOUT_SERIAL
from tests.contract.polled import Outcome, Poller, running_poller, said
from tests.peers.agent import free_udp_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


class ByTurns(SimulatedAgent):
    """Now the first device and now the second: `turns` says which answers the next requests.

    The last turn goes on.
    """

    def __init__(self, first: Rows, second: Rows, **limits: Any) -> None:
        super().__init__(first, **limits)
        self._devices = (first, second)
        self.turns: list[int] = []

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        if self.turns:
            self.load(self._devices[self.turns.pop(0)])
        return super().answer(datagram, source)


class Trial:
    """Two devices at one address, and what clean reads of each of them say."""

    def __init__(self, arena: Arena, devices: AsyncExitStack, first: Rows, second: Rows) -> None:
        self._arena, self._started = arena, devices
        self._devices = first, second

    async def put(self, **limits: Any) -> tuple[ByTurns, str]:
        agent, address = ByTurns(*self._devices, **limits), next(self._arena.addresses)
        at = {(address, self._arena.port): agent}
        await self._started.enter_async_context(simulate(at))
        return agent, address

    async def clean(self) -> list[Mapping[str, Any]]:
        found = []
        for turn in (0, 1):
            agent, address = await self.put()
            agent.load(self._devices[turn])
            found.append(said(await self._arena.poller.read(address)))
        assert found[0] != found[1]
        return found

    async def lengths(self, **limits: Any) -> tuple[int, int]:
        """Request datagrams of a first read of the first device, and of a second one."""
        agent, address = await self.put(**limits)
        await self._arena.poller.read(address)
        first = agent.requests
        await self._arena.poller.read(address)
        return first, agent.requests - first

    async def read(self, turns: Iterable[int], *, warm: bool, **limits: Any) -> Outcome:
        """The outcome where each request datagram is answered by the device whose turn it is."""
        agent, address = await self.put(**limits)
        if warm:
            await self._arena.poller.read(address)
        agent.turns = list(turns)
        return await self._arena.poller.read(address)


@dataclass
class Arena:
    """One poller for all tests, and addresses at which no device was before."""

    poller: Poller
    port: int
    addresses: Iterator[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    port = free_udp_port()
    addresses = (str(ip_address("127.64.0.1") + number) for number in count())
    folder = tmp_path_factory.mktemp("poller")
    v1 = Credential(version="1", community=SecretStr("public"))
    save_credential(folder / "credentials.json", "v1", v1)
    async with running_poller(port, folder) as poller:
        yield Arena(poller, port, addresses)


@pytest_asyncio.fixture(loop_scope="module")
async def devices() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.parametrize("pair", {**OTHERS, **CHANGED}.values(), ids={**OTHERS, **CHANGED}.keys())
async def test_between_two_reads(
    arena: Arena, devices: AsyncExitStack, pair: tuple[Rows, Rows]
) -> None:
    trial = Trial(arena, devices, *pair)
    first, second = await trial.clean()
    agent, address = await trial.put()
    found = []
    for turn in (0, 0, 1, 1, 0):
        agent.load(pair[turn])
        found.append(said(await arena.poller.read(address)))

    assert found == [first, first, second, second, first]


async def test_a_v1_device_that_tells_of_new_rows_is_read_with_them(
    arena: Arena, devices: AsyncExitStack
) -> None:
    """In v1 a row that was absent is not asked for again, as it would spoil its whole question."""
    pair = CHANGED["a maker's counter more, told"]
    trial = Trial(arena, devices, *pair)
    agent, address = await trial.put(v1_only=True)
    await arena.poller.read(address, "v1")

    agent.load(pair[1])

    assert said(await arena.poller.read(address, "v1")) == (await trial.clean())[1]


async def test_a_device_that_was_restarted_is_read_once_it_answers(
    arena: Arena, devices: AsyncExitStack
) -> None:
    agent, address = await Trial(arena, devices, COLOUR, COLOUR).put()
    before = dict(said(await arena.poller.read(address)))

    agent.reboot(silent_s=1.0)

    after = dict(said(await arena.poller.read(address)))
    assert after.pop("status")["uptime_s"] < before.pop("status")["uptime_s"]
    assert after == before


@pytest.mark.parametrize("warm", [False, True], ids=["first read", "second read"])
@pytest.mark.parametrize("pair", OTHERS.values(), ids=OTHERS.keys())
async def test_during_a_read(
    arena: Arena, devices: AsyncExitStack, pair: tuple[Rows, Rows], warm: bool
) -> None:
    trial = Trial(arena, devices, *pair)
    clean = await trial.clean()
    length = (await trial.lengths())[warm]
    mixed = {
        after: told
        for after in range(1, length + 1)
        if (told := foreign(await trial.read([0] * after + [1], warm=warm), clean))
    }

    assert mixed == {}


@pytest.mark.parametrize(
    "limits", [{"max_varbinds": most} for most in (1, 2, 5)] + [{"max_message": 484}], ids=str
)
async def test_during_a_read_of_many_small_answers(
    arena: Arena, devices: AsyncExitStack, limits: dict[str, int]
) -> None:
    trial = Trial(arena, devices, COLOUR, SILENT_ABOUT_SERIAL)
    clean = await trial.clean()
    uncapped, _ = await trial.lengths()
    length, _ = await trial.lengths(**limits)
    some = {*range(1, length, 1 + length // 15), *range(max(1, length - 9), length + 1)}
    mixed = {
        after: told
        for after in sorted(some)
        if (told := foreign(await trial.read([0] * after + [1], warm=False, **limits), clean))
    }

    assert length > uncapped
    assert mixed == {}


@pytest.mark.parametrize("warm", [False, True], ids=["first read", "second read"])
@pytest.mark.parametrize("pair", OTHERS.values(), ids=OTHERS.keys())
async def test_two_devices_share_an_address(
    arena: Arena, devices: AsyncExitStack, pair: tuple[Rows, Rows], warm: bool
) -> None:
    """Now the one answers and now the other, as after a typing error in a fixed address."""
    trial = Trial(arena, devices, *pair)
    clean = await trial.clean()
    mixed = {
        turns: told
        for turns in product((0, 1), repeat=4)
        if (told := foreign(await trial.read(turns, warm=warm), clean))
    }

    assert mixed == {}


def foreign(outcome: Outcome, clean: list[Mapping[str, Any]]) -> list[list[str]]:
    """The fields in which a read is neither the one device's nor the other's."""
    told = said(outcome)
    if isinstance(outcome, ReadFailed) or told in clean:
        return []
    return [[name for name in told if told[name] != one.get(name)] for one in clean]
