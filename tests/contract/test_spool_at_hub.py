"""The uploader's spool and relay against the real ingest: lost, restored, rejected, sent again."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from services.ingest.gaps import gaps
from services.uploader.again import Again, send_again
from services.uploader.failures import NotReachedError
from services.uploader.relay import Relay
from services.uploader.send import Answer
from services.uploader.send import Hub as HubToAsk
from services.uploader.spool import Spool
from services.uploader.spool_file import SpoolFile
from shared.message import Message
from shared.store.postgres import Store
from shared.store.spools import spools
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import SENT_AT, meter_read


class InProcess(HubToAsk):
    """The way to a hub in this process; `away_after` requests it is reached no more."""

    def __init__(self, hub: Hub) -> None:
        self.url = "https://hub"
        self.who = "hub:443"
        self.hub = hub
        self.away_after = 1_000

    async def to_hub(self) -> HubToAsk:
        return self

    def has_changed(self) -> bool:
        return False

    async def post(self, path: str, body: bytes) -> Answer:
        if self.away_after == 0:
            raise NotReachedError("tcp", "refused", "wait")
        self.away_after -= 1
        packed = {"Content-Encoding": "gzip"}
        answer = await self.hub.post_bytes(gzip.compress(body), **packed)
        return Answer(answer.status_code, answer.headers, answer.content)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return Answer(304, {}, b"")


class Site:
    def __init__(self, path: Path, hub: Hub) -> None:
        self.path = path
        self.hub = hub
        self.stored = 0
        self.start()

    def start(self) -> None:
        """As a process does."""
        self.spool = Spool(self.path)
        self.way = InProcess(self.hub)
        self.relay = Relay(
            self.spool,
            self.way,
            publish=self.publish,
            now=lambda: SENT_AT,
            since_boot=lambda: None,
            status=lambda: b"{}",
            contact_s=900,
            gather_s=0,
            keep_days=30,
        )

    async def publish(self, message: Message) -> None:
        raise NotImplementedError

    def read(self, count: int) -> None:
        first = self.stored
        self.stored += count
        self.spool.store([meter_read(n) for n in range(first, self.stored)], SENT_AT)

    def copy(self) -> Path:
        self.spool.close()
        copied = self.path.with_name("copy")
        shutil.copy(self.path, copied)
        self.start()
        return copied

    def restore(self, copied: Path) -> None:
        self.spool.close()
        copied.replace(self.path)
        self.start()


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, hub: Hub) -> Site:
    return Site(tmp_path / "agent" / "spool.sqlite", hub)


async def at_hub(hub: Hub) -> int:
    return await hub.number("select count(*) from message")


async def told(hub: Hub) -> str:
    async with hub.store.transaction() as connection:
        return "; ".join(
            note for it in await spools(connection, [hub.site.id]) for note in it.notes
        )


async def missing(site: Site) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in await gaps(site.hub.store, site.hub.site)]


async def test_a_restored_copy_loses_nothing_and_is_told(site: Site) -> None:
    site.read(5)
    copied = site.copy()
    site.read(5)
    assert await site.relay.contact(due=False) is None

    site.restore(copied)
    site.read(3)
    assert await site.relay.contact(due=False) is None

    assert (await at_hub(site.hub), await missing(site)) == (13, [])
    assert "its file was an old copy of itself" in await told(site.hub)


async def test_a_restored_copy_that_gave_as_many_numbers_again_loses_nothing_and_is_told(
    site: Site,
) -> None:
    """Its own numbers do not show it; the messages that they name do."""
    site.read(2)
    copied = site.copy()
    site.read(4)
    assert await site.relay.contact(due=False) is None

    site.restore(copied)
    site.read(9)
    assert await site.relay.contact(due=False) is None
    site.read(1)
    assert await site.relay.contact(due=False) is None

    assert (await at_hub(site.hub), await missing(site)) == (16, [])
    assert "its numbers were given twice" in await told(site.hub)


async def test_what_a_deleted_spool_held_is_missing_by_number(site: Site) -> None:
    site.read(3)
    await site.relay.contact(due=False)
    site.read(4)
    site.way.away_after = 0
    await site.relay.contact(due=False)
    site.way.away_after = 1
    await site.relay.contact(due=False)
    site.spool.close()
    site.path.unlink()

    site.start()
    site.read(1)
    await site.relay.contact(due=False)

    assert (await at_hub(site.hub), await missing(site)) == (4, [(4, 7)])
    assert "its file was lost" in await told(site.hub)


async def test_what_waited_in_a_spool_that_was_deleted_in_use_is_not_missing(site: Site) -> None:
    site.read(3)
    site.way.away_after = 1
    await site.relay.contact(due=False)
    site.path.unlink()
    site.way.away_after = 1_000
    site.read(2)

    assert await site.relay.contact(due=False) is None

    assert (await at_hub(site.hub), await missing(site)) == (5, [])


async def test_a_rejected_message_is_taken_after_what_was_wrong_has_been_set_right(
    site: Site,
) -> None:
    await site.hub.rows(
        "alter table outcome add constraint not_yet check (type <> 'meter.read.v1')"
    )
    site.read(2)
    await site.relay.contact(due=False)
    assert await at_hub(site.hub) == 0
    await site.hub.rows("alter table outcome drop constraint not_yet")

    file = SpoolFile(site.path)
    assert send_again(file, None, SENT_AT, None) == [Again(1, 3), Again(2, 4)]
    file.close()
    assert await site.relay.contact(due=False) is None

    assert await at_hub(site.hub) == 2
    assert await site.hub.number("select count(*) from rejected where settled_at is null") == 0
