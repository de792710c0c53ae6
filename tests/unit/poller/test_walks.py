"""Devices of our own making, each with what must be read of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.poller.records import counts_in
from shared.decode import decode
from shared.messages import MeterRead
from tests.unit.poller.reading import PROFILES, read_rows
from tests.unit.walks import rows_of

WALKS = Path(__file__).parents[2] / "walks"
NAMES = sorted(path.stem for path in WALKS.glob("*.snmprec"))


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_gives_what_its_json_says(name: str) -> None:
    truth = json.loads((WALKS / f"{name}.json").read_text(encoding="utf-8"))

    read = read_rows(rows_of(WALKS / f"{name}.snmprec"))

    assert _as_the_truth_puts_it(read) == {
        "no_meters_because": None,
        "notes": [],
        **{key: value for key, value in truth.items() if key != "about"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_is_read_as_a_message_that_the_bus_takes(name: str) -> None:
    read = read_rows(rows_of(WALKS / f"{name}.snmprec"))

    assert decode("meter.read.v1", read.to_json()) == read


@pytest.mark.parametrize("name", NAMES)
def test_each_meter_of_a_walk_can_be_worked_out_from_the_varbinds_kept(name: str) -> None:
    read = read_rows(rows_of(WALKS / f"{name}.snmprec"))

    assert set(read.sources) == set(read.meters)
    for meter, count in read.meters.items():
        values = [read.varbinds[oid] for oid in read.sources[meter]]
        numbers = [value for _, value in values if isinstance(value, int)]
        within = [counts_in(bytes.fromhex(str(v))) for kind, v in values if kind == "OctetString"]
        assert sum(numbers) == count or any(count in counts.values() for counts in within)


def test_each_profile_has_a_walk() -> None:
    profiles = {read_rows(rows_of(WALKS / f"{name}.snmprec")).profile for name in NAMES}

    assert profiles == {profile.label for profile in PROFILES.by_name.values()}


def _as_the_truth_puts_it(read: MeterRead) -> dict[str, Any]:
    device = read.device.model_dump()
    fields = read.model_dump()
    return {
        **{name: device[name] for name in ("make", "model", "serial", "mac")},
        **{name: device[name] for name in ("hostname", "location")},
        **{name: fields[name] for name in ("profile", "meters", "units", "status")},
        **{name: fields[name] for name in ("no_meters_because", "notes")},
        "supplies": [
            {
                name: supply[name]
                for name in ("description", "type", "colorant", "level_percent", "state")
            }
            for supply in fields["supplies"]
        ],
        "alerts": [
            {name: alert[name] for name in ("severity", "group", "code", "description")}
            for alert in fields["alerts"]
        ],
    }
