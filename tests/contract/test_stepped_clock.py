"""A site's clock that is set in mid-round: each order of the round has an outcome all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from services.poller.plan import Plans
from services.poller.read import read
from shared.bus.port import Delivery
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.ipp.client import IppAnswer
from shared.ipp_uri import IppUri
from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed, RoundFinished
from tests.unit.discovery.test_rounds import NOW, Site, until
from tests.unit.poller.reading import PROFILES
from tests.unit.walks import WalkSession, rows_of

ROWS = rows_of(Path(__file__).parents[1] / "walks" / "mono-laser.snmprec")
DEVICES = range(1, 7)


class Road:
    """From discovery through a poller: what the uploader would get. After three orders the clock
    of the box is set."""

    def __init__(self, site: Site, step: timedelta) -> None:
        site.now = self.now
        self.site, self.step, self.orders = site, step, 0
        self.holds_at: int | None = None  # orders
        self.plans = Plans()
        self.came: list[Message] = []

    def now(self) -> datetime:
        return NOW + (self.step if self.orders > 3 else timedelta())

    async def publish(self, message: Message) -> None:
        if not isinstance(message, DeviceFound):
            self.came.append(message)
            return
        if self.orders == self.holds_at:
            await asyncio.Event().wait()
        self.orders += 1
        self.came += await read(
            message,
            Delivery(0),
            agent="agent",
            connect=lambda *_: WalkSession(ROWS),
            ask_ipp=_no_ipp,
            credentials=lambda: {"public": PUBLIC},
            ceiling=Ceiling((ip_network(self.site.network),), frozenset({self.site.port})),
            profiles=PROFILES,
            plans=self.plans,
            now=self.now,
        )

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.came if isinstance(message, kind)]


async def _no_ipp(uri: IppUri, wanted: Sequence[str]) -> IppAnswer:
    raise AssertionError(f"{uri} was asked for {wanted}")


@pytest.mark.parametrize(
    ("step", "reads", "reasons"),
    [
        (timedelta(days=2), 3, {"order expired"}),
        (timedelta(days=-2), 6, set()),
        (timedelta(minutes=-10), 6, set()),
    ],
    ids=["forward", "back", "a little back"],
)
@pytest.mark.parametrize("restarted", [False, True], ids=["running on", "restarted"])
async def test_no_order_is_lost_where_the_clock_is_set_in_mid_round(
    tmp_path: Path, step: timedelta, reads: int, reasons: set[str], restarted: bool
) -> None:
    site = Site(tmp_path)
    road = Road(site, step)
    begun = site.begin(deadline_s=4 * 3600)
    async with site.devices(*DEVICES):
        if restarted:
            road.holds_at = 4
            running = asyncio.create_task(site.rounds(road.publish).run(begun))
            await until(lambda: len(site.roster.answers(begun.id)) == len(DEVICES))
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            site.restart()
            road.holds_at = None
        await site.rounds(road.publish).run(begun)

    [end] = road.of(RoundFinished)
    ordered = {one.order for one in end.orders}
    ended = {one.order for one in (*road.of(MeterRead), *road.of(ReadFailed))}
    assert len(ordered) == len(DEVICES)
    assert ended == ordered
    assert len({one.order for one in road.of(MeterRead)}) == reads
    assert {one.reason for one in road.of(ReadFailed)} == reasons
    assert site.roster.open_round() is None
