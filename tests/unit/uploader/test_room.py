from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.uploader import status
from services.uploader.numbering import at
from services.uploader.room import Forecast, forecast
from services.uploader.spool import Spool
from services.uploader.status import Status
from tests.unit.uploader.messages import NOW, meter_read

_DAY = timedelta(days=1)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite")
    yield opened
    opened.close()


def test_where_nothing_was_stored_nobody_knows_how_long_the_disk_lasts(spool: Spool) -> None:
    assert forecast(spool.path, NOW).days is None
    assert forecast(spool.path.parent / "none" / "spool.sqlite", NOW).days is None
    assert not forecast(spool.path, NOW).is_short


def test_the_rate_is_that_of_the_last_seven_days(spool: Spool) -> None:
    spool.store([meter_read(each) for each in range(1000, 3000)], NOW - 9 * _DAY)
    for day in range(4):
        spool.store([meter_read(50 * day + each) for each in range(50)], NOW - day * _DAY)
    body = len(meter_read(1).to_json())

    told = forecast(spool.path, NOW)

    assert told.a_day == pytest.approx(1.5 * 200 * (body + 200) / 3, rel=0.02)
    assert told.days == told.free / told.a_day


def test_what_the_file_has_free_counts_as_room(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.store([meter_read(each) for each in range(500)], NOW)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    assert forecast(spool.path, NOW).free < 100_000
    spool._file.write(lambda db: db.execute("delete from message"), from_reserve=True)
    assert forecast(spool.path, NOW).free > 500 * len(meter_read(1).to_json())


def test_a_disk_that_is_full_within_a_week_is_said_once_a_day(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "forecast", lambda path, now: Forecast(30_000_000, 6e6, 5.0))
    now = NOW
    told = Status(spool, bus_problem=lambda: "the broker is away", contact_s=900.0, now=lambda: now)
    said = []
    for _ in range(60):
        said.append(json.loads(told.as_json())["disk_days"])
        now += timedelta(hours=1)
    said_here = "".join(capfd.readouterr())
    lines = [line for line in said_here.splitlines() if "disk will be full" in line]
    assert set(said) == {5.0}
    assert len(lines) == 3
    assert "30 MB free, enough for 5.0 days of reads at 6.0 MB a day" in lines[0]


def test_the_hub_is_told_how_the_site_is(spool: Spool) -> None:
    spool.store([meter_read(1)], NOW - _DAY)
    spool.store([meter_read(2)], NOW)
    told = Status(
        spool, bus_problem=lambda: "x" * 10_000, contact_s=900.0, now=lambda: NOW
    ).as_json()
    said = json.loads(told)
    assert (said["waiting"], said["oldest_at"], said["full"]) == (2, at(NOW - _DAY), False)
    assert said["disk_free"] > 0
    assert len(told) < 1000
