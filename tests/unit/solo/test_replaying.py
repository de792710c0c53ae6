"""What would differ: by read, and by device over many reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.poller.profile import ProfileError
from services.solo.replaying import (
    Changed,
    Difference,
    Differences,
    changed_profiles,
    difference,
)
from shared.messages import MeterRead
from shared.store.corrections import Correction, KeptRead, SiteOfCustomer
from shared.store.reports import Customer
from tests.contract import northwind
from tests.contract.northwind import BILLED, COLOR, LIFE, WITH_SERVICE, day, profiles_in, read_of

AT = day("2026-09-01")
SITE = SiteOfCustomer(1, "hq", Customer(1, "Acme", "UTC"))
COUNTERS = {WITH_SERVICE: 1300, BILLED: 1000, LIFE: 1300}


@pytest.fixture
def was(tmp_path: Path) -> Path:
    return northwind.wrong(tmp_path / "was")


@pytest.fixture
def changed(tmp_path: Path, was: Path) -> Changed:
    return changed_profiles([], northwind.right(tmp_path / "now"), [was])


def kept(read: MeterRead, correction: Correction | None = None, **other: Any) -> KeptRead:
    fields = {"site_id": 1, "device_id": 7, "digest": b"\x01", **other}
    return KeptRead(
        id=read.id, billed_at=read.taken_at, body=read.to_json(), correction=correction, **fields
    )


def differing(one: KeptRead, changed: Changed) -> Difference:
    found = difference(one, changed)
    assert found is not None
    return found


def test_a_correction_names_what_it_replaces_and_is_the_same_whenever_it_is_made(
    was: Path, changed: Changed
) -> None:
    read = read_of(profiles_in(was), 1, AT, COUNTERS)
    found = differing(kept(read), changed)

    made = found.correction("Dana", "service pages", AT)

    assert (made.read, made.replaces, made.read_digest) == (read.id, read.id, "01")
    assert made.meters == {"total": 1000, "service": 1300}
    assert made.sources == {"total": [BILLED], "service": [WITH_SERVICE]}
    assert (made.profile, made.basis, made.author) == ("northwind@2", "life", "Dana")
    assert found.correction("Kim", "again", AT + timedelta(1)).id == made.id


def test_what_is_in_force_already_does_not_differ(was: Path, changed: Changed) -> None:
    read = read_of(profiles_in(was), 1, AT, COUNTERS)
    made = differing(kept(read), changed).correction("Dana", "service pages", AT)

    assert not differing(kept(read, made), changed).differs


def test_a_correction_of_a_correction_has_an_id_of_its_own(was: Path, changed: Changed) -> None:
    read = read_of(profiles_in(was), 1, AT, COUNTERS)
    first = differing(kept(read), changed).correction("Dana", "service pages", AT)
    back = differing(kept(read, first), changed_profiles([], was, []))

    undone = back.correction("Dana", "it was right", AT)
    again = differing(kept(read, undone), changed).correction("Dana", "it was not", AT)

    assert (undone.meters, undone.replaces) == ({"total": 1300}, first.id)
    assert len({first.id, undone.id, again.id}) == 3


def test_the_same_count_from_another_row_differs(tmp_path: Path, was: Path) -> None:
    """In the next read it may be another count, and a volume is of one row."""
    read = read_of(profiles_in(was), 1, AT, {**COUNTERS, WITH_SERVICE: 1000})
    other_row = northwind.write_profile(tmp_path / "2", 2, {"total": BILLED})

    assert differing(kept(read), changed_profiles([], other_row, [was])).differs


def test_a_higher_version_with_the_same_rows_does_not_differ(tmp_path: Path, was: Path) -> None:
    read = read_of(profiles_in(was), 1, AT, COUNTERS)
    higher = northwind.write_profile(tmp_path / "2", 2, {"total": WITH_SERVICE})

    assert not differing(kept(read), changed_profiles([], higher, [was])).differs


@pytest.mark.parametrize("version", [1, 2])
def test_a_profile_of_the_reads_label_that_it_was_not_made_with_tells_nothing_of_it(
    version: int, tmp_path: Path, was: Path
) -> None:
    """Of one that was changed in place, every row would seem asked for and absent."""
    read = read_of(profiles_in(was), 1, AT, COUNTERS)
    northwind.write_profile(was, 1, {"total": COLOR})
    now = northwind.write_profile(tmp_path / "now", version, {"total": COLOR})

    found = differing(kept(read), changed_profiles([], now, [was]))

    assert (found.lost, found.replayed.not_read["total"]) == (["total"], COLOR)


def test_a_maker_that_has_a_profile_now_loses_what_its_rows_would_have_said(
    was: Path, changed: Changed
) -> None:
    found = differing(kept(read_of(profiles_in(None), 1, AT, COUNTERS)), changed)

    assert found.lost == ["total"]
    assert found.correction("Dana", "", AT).meters == {}
    assert found.correction("Dana", "", AT).no_meters_because == (
        f"no total: the row {BILLED} was not kept"
    )


def test_rows_that_were_meters_of_their_own_are_lost_too(was: Path, changed: Changed) -> None:
    read = read_of(profiles_in(None), 1, AT, COUNTERS)
    each = {"meters": {"life_count_1_1": 1200, "life_count_1_2": 100}}

    found = differing(kept(read.model_copy(update=each)), changed)

    assert found.lost == ["life_count_1_1", "life_count_1_2"]


def test_a_device_is_told_by_its_first_and_last_read(was: Path, changed: Changed) -> None:
    found, known = Differences(), profiles_in(was)
    for days in range(5):
        counters = {WITH_SERVICE: 1300 + days, BILLED: 1000 + days, LIFE: 1300}
        read = read_of(known, 1, AT + timedelta(days), counters)
        found.add(SITE, differing(kept(read), changed))

    [device] = found.by_device.values()
    total = device.meters["total"]
    assert (total.reads, total.first, total.last) == (
        5,
        (AT, 1300, 1000),
        (AT + timedelta(4), 1304, 1004),
    )
    assert found.counts() == {
        "devices": 1,
        "differ": 1,
        "losing": 0,
        "reads": 5,
        "reads_that_differ": 5,
    }


def test_reads_that_are_no_devices_yet_go_by_what_they_say(was: Path, changed: Changed) -> None:
    found, known = Differences(), profiles_in(was)
    for number in (1, 2, 2):
        read = read_of(known, number, AT, COUNTERS)
        found.add(SITE, differing(kept(read, device_id=None), changed))

    assert sorted(device.reads for device in found.by_device.values()) == [1, 2]


def test_a_profile_that_there_is_not_is_told_with_those_that_there_are(was: Path) -> None:
    with pytest.raises(ProfileError, match=r"no profile 'nordwind'; known: .*northwind"):
        changed_profiles(["nordwind"], was, [])


def test_a_read_of_a_profile_that_is_not_loaded_is_left_alone(was: Path) -> None:
    read = read_of(profiles_in(was), 1, AT, COUNTERS)

    assert difference(kept(read), changed_profiles([], None, [])) is None


def test_the_number_of_meters_that_a_device_is_told_with_has_an_end(
    was: Path, changed: Changed
) -> None:
    found = Differences()
    one = differing(kept(read_of(profiles_in(was), 1, AT, COUNTERS)), changed)
    for number in range(600):
        read = one.read.model_copy(update={"meters": {f"m{number}": 1}})
        found.add(SITE, one._replace(read=read))

    [device] = found.by_device.values()
    assert len(device.meters) == 500
