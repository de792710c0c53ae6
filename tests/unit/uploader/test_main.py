from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.uploader.main import run
from services.uploader.settings import SettingError, UploaderSettings
from shared.bus.port import UPLOADER_EVENTS, BusDownError, Handler, Queue
from shared.message import Message


class FakeBus:
    """A broker that never answers, or that cannot be reached."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down
        self.read: list[str] = []
        self.starting = asyncio.Event()
        self.stopped = False

    def on(self, queue: Queue, handler: Handler, *, prefetch: int) -> None:
        self.read.append(queue.name)

    async def start(self) -> None:
        self.starting.set()
        if self.down:
            raise BusDownError("broker 127.0.0.1:5672: refused")
        await asyncio.Event().wait()

    async def publish(self, message: Message) -> None:
        raise BusDownError("broker 127.0.0.1:5672: no answer")

    async def stop(self) -> None:
        self.stopped = True

    def problem(self) -> str | None:
        return "not connected"


@pytest.fixture
def settings(tmp_path: Path) -> UploaderSettings:
    key = tmp_path / "key"
    key.write_text("pt_abc")
    key.chmod(0o600)
    return UploaderSettings(
        hub_url="https://127.0.0.1:1",
        key_file=key,
        spool_file=tmp_path / "spool.sqlite",
        ceiling_file=tmp_path / "ceiling.toml",
    )


async def test_it_ends_at_once_when_told_to_while_the_broker_does_not_answer(
    settings: UploaderSettings,
) -> None:
    bus, stopping = FakeBus(), asyncio.Event()
    running = asyncio.create_task(run(settings, bus, stopping))
    await asyncio.wait_for(bus.starting.wait(), 5)
    stopping.set()
    await asyncio.wait_for(running, 5)
    assert (bus.stopped, bus.read) == (True, [UPLOADER_EVENTS.name])


async def test_a_broker_that_cannot_be_reached_is_told(settings: UploaderSettings) -> None:
    with pytest.raises(BusDownError, match="refused"):
        await run(settings, FakeBus(down=True), asyncio.Event())


async def test_a_misspelt_field_to_withhold_is_told(settings: UploaderSettings) -> None:
    """A site that believes that a field stays here must not be wrong."""
    settings.ceiling_file.write_text('withheld = ["adress"]')
    with pytest.raises(SettingError, match="a read has no field 'adress'"):
        await run(settings, FakeBus(), asyncio.Event())


async def test_without_a_broker_s_url_that_is_told(settings: UploaderSettings) -> None:
    with pytest.raises(SettingError, match="UPLOADER_BUS_URL: must be set"):
        await run(settings, None, asyncio.Event())
