"""A round that cannot go on is closed: what it ordered is named, and why nothing more came."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.messages import RoundFinished
from tests.unit.discovery.test_rounds import Bus, Site, addresses


async def test_a_round_that_is_given_up_names_its_orders_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, bus = Site(tmp_path), Bus()
    begun = site.begin()

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    async with site.devices(2, 3):
        monkeypatch.setattr("services.discovery.rounds.outcome_of", breaks)
        with pytest.raises(RuntimeError):
            await site.rounds(bus.publish).run(begun)
    still_open = site.roster.open_round()
    assert still_open is not None
    site.rounds(bus.publish).give_up(still_open, "given up after 3 faults")
    closing = site.roster.open_round()
    assert closing is not None
    [finished] = await site.rounds(bus.publish).run(closing)

    assert isinstance(finished, RoundFinished)
    assert finished.interrupted
    assert addresses(finished.orders) == ["127.9.4.2", "127.9.4.3"]
    assert [one.reason for one in finished.not_reached] == ["given up after 3 faults"]
    assert site.roster.open_round() is None
