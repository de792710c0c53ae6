"""`pagetally probe --json`, over real UDP, against every recording and its hand-read truth.

The recordings lie beside a checkout. They are other people's, and no part of this repository;
without them these tests are skipped. Each test prints every line in which a read and a truth
disagree.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.poller.profile import Profile, load_profiles
from services.poller.profile_rows import Recorded
from services.solo.snmprec import serve_recordings
from shared.messages import MeterRead, SupplyLevel
from tests.flow.fleet import DISPUTED

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT.parent / "shared" / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.snmprec"))
FIRST_ADDRESS, PORT = "127.33.0.1", 16_133
PRINTER_MIB = "1.3.6.1.2.1.43."

Truth = dict[str, Any]

pytestmark = pytest.mark.skipif(not NAMES, reason="no recordings beside this checkout")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one process says of all of them, by the recording's name."""
    return asyncio.run(_probe_all(tmp_path_factory.mktemp("state")))


def test_no_other_device_is_taken_for_a_printer_and_no_printer_is_missed(
    probed: dict[str, dict[str, Any]],
) -> None:
    wanted = {True: "read", False: "not_a_printer"}

    assert_none(
        f"{name}: {said['outcome']} ({said['reason']}); it is {_truth(name)['notes']}"
        for name, said in probed.items()
        if said["outcome"] != wanted[_truth(name)["is_printer"]]
    )


def test_each_meter_of_a_truth_is_read_and_has_its_value(probed: dict[str, dict[str, Any]]) -> None:
    assert_none(
        f"{name}: {meter} is {read.meters.get(meter)}, truth {said['value']} of {said['oid']}"
        for name, truth, read in _printers(probed)
        for meter, said in truth["meters"].items()
        if read.meters.get(meter) != said["value"]
    )


def test_no_meter_is_read_that_a_truth_does_not_hold(probed: dict[str, dict[str, Any]]) -> None:
    """But a life count that says the same as the total."""
    assert_none(
        f"{name}: {meter} is {count} of {', '.join(read.sources[meter])}, and not in the truth"
        for name, truth, read in _printers(probed)
        for meter, count in read.meters.items()
        if meter not in truth["meters"]
        and not (meter == "life_count" and count == read.meters.get("total"))
    )


@pytest.mark.parametrize("field", ["make", "model", "serial"])
def test_identity_is_as_a_truth_says(field: str, probed: dict[str, dict[str, Any]]) -> None:
    assert_none(
        f"{name}: {field} is {value!r}, truth {accepted}"
        for name, truth, read in _printers(probed)
        if (value := getattr(read.device, field)) not in (accepted := _accepted(truth, field))
        and value not in DISPUTED.get((name, field), [])
    )


def test_the_supplies_are_as_many_as_a_truth_says(probed: dict[str, dict[str, Any]]) -> None:
    assert_none(
        f"{name}: {len(read.supplies)} ({', '.join(map(_words, read.supplies))}), truth "
        f"{len(supplies)} ({', '.join(said['description'] for said in supplies)})"
        for name, truth, read in _printers(probed)
        if len(read.supplies) != len(supplies := truth["supplies"] or [])
    )


def test_every_supply_level_is_within_a_point(probed: dict[str, dict[str, Any]]) -> None:
    assert_none(
        f"{name} {_words(supply)}: {supply.level_percent}, truth {accepted}"
        for name, said, supply in _supplies(probed)
        if (accepted := _accepted(said, "level_percent"))
        and not any(_is_close(supply.level_percent, level) for level in accepted)
    )


@pytest.mark.parametrize("field", ["type", "colorant"])
def test_what_is_told_of_a_supply_is_as_a_truth_says(
    field: str, probed: dict[str, dict[str, Any]]
) -> None:
    """Some recordings lack the rows that would tell."""
    assert_none(
        f"{name} {_words(supply)}: {field} is {value!r}, truth {said[field]!r}"
        for name, said, supply in _supplies(probed)
        if (value := getattr(supply, field)) is not None and value != said[field]
    )


def test_the_profiles_name_the_recorded_models_and_no_others(
    probed: dict[str, dict[str, Any]],
) -> None:
    """docs/devices.md says so to a dealer; without a model there is nothing to name."""
    profiles = load_profiles()
    recorded: dict[str, dict[str, Recorded]] = {name: {} for name in profiles}
    for _, truth, read in _printers(probed):
        if truth["model"]:
            home = _home(profiles, truth["make"], read)
            recorded[home][f"{truth['make']} {truth['model']}"] = _agreed(truth, read)

    assert_none(
        f"{name}.yaml: {model}: {wanted}, and not {said}"
        for name, models in recorded.items()
        for model in sorted(models | profiles[name].recorded)
        if (wanted := models.get(model)) != (said := profiles[name].recorded.get(model))
    )


def assert_none(disagreements: Iterator[str]) -> None:
    lines = list(disagreements)
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


async def _probe_all(state: Path) -> dict[str, dict[str, Any]]:
    async with serve_recordings(RECORDINGS, FIRST_ADDRESS, PORT) as served:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "services.cli", "probe", "--json"),
            *(f"{address}:{PORT}" for address in served),
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PAGETALLY_STATE": str(state),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["address"] for line in lines] == [f"{address}:{PORT}" for address in served]
    return {file.stem: line for file, line in zip(served.values(), lines, strict=True)}


def _truth(name: str) -> Truth:
    truth: Truth = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return truth


def _printers(probed: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Truth, MeterRead]]:
    for name, said in probed.items():
        if said["read"]:
            yield name, _truth(name), MeterRead.model_validate(said["read"])


def _home(profiles: Mapping[str, Profile], make: str, read: MeterRead) -> str:
    """The profile that read it; the make's, where a recording lacks the rows that tell the make."""
    own = [
        name
        for name, profile in profiles.items()
        if make in [match.make for match in profile.match]
    ]
    read_by = read.profile.partition("@")[0]
    return read_by if read_by in own or not own else own[0]


def _agreed(truth: Truth, read: MeterRead) -> Recorded:
    agreed = [m for m, said in truth["meters"].items() if read.meters.get(m) == said["value"]]
    own = [m for m in agreed if not all(oid.startswith(PRINTER_MIB) for oid in read.sources[m])]
    return Recorded(own=own, standard=[m for m in agreed if m not in own])


def _supplies(probed: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Truth, SupplyLevel]]:
    """The recording, and each supply of its truth with the one that was read in its place."""
    for name, truth, read in _printers(probed):
        for said, supply in zip(truth["supplies"] or [], read.supplies, strict=False):
            yield name, said, supply


def _accepted(truth: Truth, field: str) -> list[Any]:
    return [truth[field], *(truth.get(f"{field}_accept") or [])]


def _words(supply: SupplyLevel) -> str:
    return f"{supply.index} {supply.description or supply.type}"


def _is_close(level: float | None, said: float | None) -> bool:
    if level is None or said is None:
        return level == said
    return abs(level - said) <= 1
