"""A device is read as it is, whatever others of its kind were read before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import SecretStr

from services.poller.decode import Decoded
from services.poller.device import read_device
from services.poller.kinds import MAX_KINDS, Kind, Kinds
from services.poller.mib import SYS_OBJECT_ID
from services.poller.rows import Rows as Answered
from services.solo.changes import resupplied
from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.ceiling import Ceiling
from shared.clock import utc_now
from shared.credentials import PUBLIC, Credential
from shared.snmp.client import SnmpClient
from shared.snmp.port import Manners, Varbind, Walk
from tests.contract.device_pairs import ALERTS, CHANGED, COLOUR, OTHERS, another
from tests.contract.polled import walk
from tests.peers.agent import free_udp_port
from tests.unit.poller.reading import PROFILES

ADDRESS = "127.65.0.1"
V1 = Credential(version="1", community=SecretStr("public"))
NO_PRINTER = ("no printer", "a printer after a switch")
PAIRS = {name: pair for name, pair in {**OTHERS, **CHANGED}.items() if name not in NO_PRINTER}
LIMITS: dict[str, dict[str, Any]] = {
    "usual": {},
    "v1": {"v1_only": True},
    "short messages": {"max_message": 484},
    "few varbinds": {"max_varbinds": 20},
}


class Shelf:
    """An address at which one device after the other is read as if for the first time."""

    def __init__(self, client: SnmpClient, agent: SimulatedAgent, port: int) -> None:
        self._client, self._agent, self._port = client, agent, port

    async def read(self, rows: Rows, kinds: Kinds | None = None) -> Decoded:
        self._agent.load(rows)
        credential = V1 if self._agent.v1_only else PUBLIC
        session = self._client.session(ADDRESS, self._port, credential)
        return (await read_device(session, PROFILES, ADDRESS, utc_now, None, kinds)).decoded

    @property
    def requests(self) -> int:
        return self._agent.requests

    async def after(self, first: Rows, rows: Rows) -> tuple[Decoded, int]:
        """What is read of the second, and in how many requests."""
        kinds = Kinds()
        await self.read(first, kinds)
        before = self.requests
        return await self.read(rows, kinds), self.requests - before


@asynccontextmanager
async def shelf(**limits: Any) -> AsyncIterator[Shelf]:
    agent, port = SimulatedAgent(COLOUR, **limits), free_udp_port()
    ceiling = Ceiling(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({port}))
    async with SnmpClient(ceiling, timeout_s=0.5) as client, simulate({(ADDRESS, port): agent}):
        yield Shelf(client, agent, port)


@pytest.mark.asyncio
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS.keys())
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
async def test_a_device_after_one_of_its_kind(
    pair: tuple[Rows, Rows], limits: dict[str, Any]
) -> None:
    async with shelf(**limits) as one_shelf:
        for first, second in (pair, pair[::-1]):
            alone = await one_shelf.read(second)

            assert (await one_shelf.after(first, second))[0] == alone


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "model", ["kyocera-colour-mfp", "canon-mono-labelled", "two-markers", "epson-maintenance-box"]
)
async def test_a_device_that_has_a_row_more_or_less(model: str) -> None:
    whole = walk(model)
    async with shelf() as one_shelf:
        alone = await one_shelf.read(whole)
        for oid in whole:
            less = {there: row for there, row in whole.items() if there != oid}
            more = await one_shelf.after(less, whole)

            assert more[0] == alone, oid
            assert (await one_shelf.after(whole, less))[0] == await one_shelf.read(less), oid


@pytest.mark.asyncio
async def test_one_of_a_known_kind_takes_no_more_requests_whatever_its_alerts_are() -> None:
    quiet = {oid: row for oid, row in COLOUR.items() if not oid.startswith(ALERTS)}
    numbered = {
        oid.replace(".1.1", ".1.7", 1) if oid.startswith(ALERTS) else oid: row
        for oid, row in another(COLOUR).items()
    }
    async with shelf() as one_shelf:
        _, alone = await one_shelf.after(walk("mono-laser"), COLOUR)
        for device in (another(COLOUR), quiet, numbered):
            _, requests = await one_shelf.after(COLOUR, device)

            assert requests <= alone


@pytest.mark.asyncio
async def test_the_rows_of_the_last_one_are_those_that_the_next_is_asked_for() -> None:
    fewer = resupplied(COLOUR, ["1.1", "1.2"], told=False)
    kinds, asked = Kinds(), []
    async with shelf() as one_shelf:
        for rows in (fewer, fewer, COLOUR, fewer, fewer):
            before = one_shelf.requests
            await one_shelf.read(rows, kinds)
            asked.append(one_shelf.requests - before)

    assert asked[3] > asked[4] == asked[1]


def test_a_table_that_is_long_beyond_reason_is_not_remembered() -> None:
    kind, walk_of = Kind(), Walk(("1.3.6.1.2.1.43.12.1.1.4",), max_rows=201)
    cell = Varbind("1.3", "Integer32", 1)

    kind.learn([walk_of], {walk_of.columns[0]: {f"1.{at}": cell for at in range(1, 31)}})
    assert kind.known([walk_of]) != [walk_of]

    kind.learn([walk_of], {walk_of.columns[0]: {f"1.{at}{'.7' * 90}": cell for at in range(1, 9)}})
    assert kind.known([walk_of]) == [walk_of]


def test_kinds_are_forgotten_in_the_order_of_their_last_use() -> None:
    profile, manners = PROFILES.choose(None, None), Manners()

    def rows_of(model: int) -> Answered:
        return Answered({SYS_OBJECT_ID: Varbind(SYS_OBJECT_ID, "ObjectIdentifier", f"1.3.{model}")})

    kinds = Kinds()
    first, second = (kinds.of(rows_of(model), profile, manners) for model in (0, 1))
    kinds.of(rows_of(0), profile, manners)
    for model in range(2, MAX_KINDS + 1):
        kinds.of(rows_of(model), profile, manners)

    assert kinds.of(rows_of(0), profile, manners) is first
    assert kinds.of(rows_of(1), profile, manners) is not second


@pytest.mark.asyncio
async def test_two_variants_of_a_model_by_turns_teach_anew_each_time() -> None:
    fewer = resupplied(COLOUR, ["1.1", "1.2"], told=False)
    kinds = Kinds()
    async with shelf() as one_shelf:
        alone = [await one_shelf.read(rows) for rows in (COLOUR, fewer)]
        by_turns = [await one_shelf.read(rows, kinds) for rows in (COLOUR, fewer) * 3]

    assert by_turns == alone * 3
