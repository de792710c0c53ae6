"""What is noted of devices as reads come in is what comes of all their reads at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.ingest.decide import release
from services.ingest.entered import Author
from services.ingest.stay_rows import make_all_stays
from shared.messages import DeviceIdentity, MeterRead, SpooledQueue, SpooledTarget, order_id
from shared.store.postgres import Store
from tests.contract.test_device_events import OLD, on, round_of
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import NOON, target

ANN = Author("ann@dealer.example", "she moved it herself")
NO_MAC = OLD.model_copy(update={"mac": None})
BARE = NO_MAC.model_copy(update={"model": None})
LATER = NOON + timedelta(days=2, hours=1)
HISTORIES = {
    "a MAC address that it did not show before": [on(1, NO_MAC), on(2, OLD)],
    "a model that it did not show before": [on(1, BARE), on(2, BARE), on(3, OLD)],
    "another model": [on(1, OLD), on(2, OLD.model_copy(update={"model": "A1"}))],
    "a read that is older than all": [on(2, OLD), on(1, OLD)],
    "a round that goes on after it was elsewhere in the next": [
        *(on(1, OLD), on(2, OLD, at=9)),
        MeterRead(
            **{
                **dict(on(1, OLD, at=9)),
                "taken_at": LATER,
                "order": order_id(round_of(7), target(9)),
            }
        ),
    ],
    "back where it was": [on(1, OLD), on(2, OLD, at=9), on(3, OLD)],
}


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


async def noted(hub: Hub) -> list[dict[str, Any]]:
    return await hub.rows("select * from device_stay order by device_id, kind, first_at, value")


@pytest.mark.parametrize("reads", HISTORIES.values(), ids=HISTORIES)
async def test_reads_one_by_one_leave_what_all_at_once_do(hub: Hub, reads: list[MeterRead]) -> None:
    for read in reads:
        assert await hub.send(read) == ["accepted"]
    one_by_one = await noted(hub)

    async with hub.store.transaction() as connection:
        await make_all_stays(connection, hub.site)

    assert one_by_one == await noted(hub) != []


async def test_a_device_that_went_to_another_site_is_held_where_it_was(hub: Hub) -> None:
    branch = await hub.beside("branch")
    await hub.send(on(1, OLD))
    await branch.send(on(2, OLD))
    [device] = await hub.rows("select id from device")
    await release(hub.store, device["id"], ANN, "branch")

    await hub.send(on(3, OLD))

    [because] = await hub.rows("select held_because from device")
    assert "assigned to another site" in because["held_because"]


async def test_a_queue_that_shows_nothing_else_is_known_since_its_oldest_read(hub: Hub) -> None:
    queue = SpooledTarget(spooled=SpooledQueue(host="pc", queue="q", port_name="USB1", kind="usb"))
    nameless = DeviceIdentity(make="HP", model="M2")

    for day in (3, 1, 2):
        await hub.send(on(day, nameless, target=queue))

    [device] = await hub.rows("select first_read_at from device")
    assert device["first_read_at"] == NOON + timedelta(days=1, seconds=7)
