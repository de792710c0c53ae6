"""Keys of sites on a real database: replaced with an overlap, ended, revoked at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.ingest.keys import add_key, keys, revoke_keys
from shared.store.postgres import Store
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import batch, line, meter_read


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store, unknown_keys_a_minute=3) as made:
        yield made


async def test_a_new_key_replaces_the_others_after_the_overlap(hub: Hub) -> None:
    new = await add_key(hub.store, hub.site, "box 2", overlap=timedelta(days=7))
    assert (await hub.post([])).status_code == 200

    await hub.rows("update site_key set ends_at = now() where ends_at is not null")
    old = await hub.post([])
    hub.key = new

    assert old.status_code == 401
    assert "ended at" in old.json()["error"]
    assert (await hub.post([])).status_code == 200
    first, second = await keys(hub.store, hub.site)
    assert (first["refused"], first["refused_at"] is None, second["refused"]) == (1, False, 0)
    assert second["label"] == "box 2"
    assert second["last_used_at"]
    assert new not in str((first, second))


async def test_a_key_that_is_revoked_in_the_middle_of_a_batch_stores_nothing(hub: Hub) -> None:
    [row] = await keys(hub.store, hub.site)
    async with hub.store.transaction() as connection:  # the batch waits for its ledger
        await connection.execute("select 1 from site_head for update")
        sending = asyncio.create_task(
            hub.post_bytes(batch([line(1, meter_read(1))], spool=hub.spool))
        )
        await asyncio.sleep(0.3)
        assert not sending.done()
        assert await revoke_keys(hub.store, hub.site, key_id=row["id"]) == 1

    answer = await sending

    assert answer.status_code == 401
    assert "was revoked at" in answer.json()["error"]
    assert await hub.number("select count(*) from message") == 0


async def test_guessing_is_ended_before_the_database_and_keeps_the_site_in(hub: Hub) -> None:
    assert (await hub.post([])).status_code == 200
    right = hub.key
    codes = []
    for n in range(5):
        hub.key = f"pt_{n:043}"
        codes.append((await hub.post([])).status_code)
    hub.key = right

    assert codes == [401, 401, 401, 429, 429]
    assert (await hub.post([])).status_code == 200
