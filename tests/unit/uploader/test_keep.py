from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from services.uploader.boot import SinceBoot
from services.uploader.keep import Intake, keep
from services.uploader.spool import Spool
from shared.bus.port import CannotStoreError, Delivery
from shared.message import Message
from tests.unit.uploader.messages import NOW, meter_read


class CountingSpool(Spool):
    commits = 0

    def store(
        self, messages: Sequence[Message], now: datetime, since_boot: SinceBoot | None = None
    ) -> list[int]:
        self.commits += 1
        return super().store(messages, now, since_boot)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[CountingSpool]:
    opened = CountingSpool(tmp_path / "spool.sqlite")
    yield opened
    opened.close()


async def kept(spool: Spool, *messages: Message, woken: list[int] | None = None) -> list[object]:
    wakes = [] if woken is None else woken
    intake = Intake(spool, stored=lambda: wakes.append(1), now=lambda: NOW, since_boot=lambda: None)
    return await asyncio.gather(
        *(
            keep(each, Delivery(), intake=intake, withheld=frozenset({"mac"}), salt="s")
            for each in messages
        ),
        return_exceptions=True,
    )


async def test_what_arrives_at_once_shares_a_commit(spool: CountingSpool) -> None:
    woken: list[int] = []
    assert await kept(spool, *map(meter_read, range(200)), woken=woken) == [()] * 200
    assert spool.last() == 200
    assert spool.commits == len(woken) <= 3


async def test_a_withheld_field_never_reaches_the_disk(spool: CountingSpool) -> None:
    await kept(spool, meter_read(1))
    spool.close()
    files = [path.read_bytes() for path in spool.path.parent.iterdir()]
    assert not any(b"00:17:c8:01:02:03" in content for content in files)
    assert any(b"VB0001" in content for content in files)


async def test_what_cannot_be_stored_is_told_to_each_that_waits(spool: CountingSpool) -> None:
    [pages] = spool._file._db.execute("pragma page_count").fetchone()
    spool._file._db.execute(f"pragma max_page_count = {pages}")
    outcomes = await kept(spool, *map(meter_read, range(50)))
    assert all(isinstance(outcome, CannotStoreError) for outcome in outcomes)
    spool._file._db.execute("pragma max_page_count = 100000")
    assert await kept(spool, *map(meter_read, range(50))) == [()] * 50
    assert spool.last() == 50
