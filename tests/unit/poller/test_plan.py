"""What a poller remembers of a device, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from services.poller.device import DeviceRead, read_device
from services.poller.mib import MARKER_LIFE_COUNT, SYS_OBJECT_ID, SYS_UP_TIME
from services.poller.plan import AWAKE, LASTS, Plan
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from shared.snmp.port import Manners, Varbind
from tests.unit.poller.reading import NOON, PROFILES, TARGET, by_oid, counter
from tests.unit.poller.test_profile import SMALL, folder
from tests.unit.walks import WalkSession, rows_of

WALKS = Path(__file__).parents[2] / "walks"
KYOCERA = rows_of(WALKS / "kyocera-colour-mfp.snmprec")
FAX = "1.3.6.1.4.1.1347.42.3.1.1.1.1.4"
SOON = NOON + timedelta(hours=4)


def read(
    rows: Mapping[str, Varbind],
    plan: Plan | None = None,
    at: datetime = NOON,
    profiles: Profiles = PROFILES,
) -> tuple[DeviceRead, int]:
    """The read, and how many questions it took."""
    session = WalkSession(rows)
    session.manners = Manners(max_varbinds=60)
    device = asyncio.run(read_device(session, profiles, TARGET.snmp, lambda: at, plan))
    return device, len(session.asked)


def without(oid: str) -> dict[str, Varbind]:
    return {there: varbind for there, varbind in KYOCERA.items() if there != oid}


def test_a_device_that_was_read_is_asked_for_its_rows_alone() -> None:
    first, cold = read(KYOCERA)
    second, warm = read(KYOCERA, first.plan, SOON)

    assert second.decoded == first.decoded
    assert warm < cold


def test_profiles_that_name_the_same_rows_differently_are_not_mixed_up(tmp_path: Path) -> None:
    for name, meter in (("north", "copy"), ("south", "print")):
        folder(tmp_path, **{name: SMALL.replace("northwind", name).replace("copy:", f"{meter}:")})
    rows = by_oid(
        Varbind(SYS_OBJECT_ID, "ObjectIdentifier", "1.3.6.1.4.1.32473.1"),
        counter("1.3.6.1.4.1.32473.1.2.0", 7),
        counter(f"{MARKER_LIFE_COUNT}.1.1", 9),
    )
    profiles = load_profiles(tmp_path)
    for name, meter in (("north", "copy"), ("south", "print")):
        known = Profiles({"rfc3805": profiles["rfc3805"], name: profiles[name]})
        first, _ = read(rows, profiles=known)
        second, _ = read(rows, first.plan, SOON, known)

        assert first.plan is not None
        assert first.decoded.meters.counts == second.decoded.meters.counts == {"total": 9, meter: 7}


def test_after_a_day_it_is_read_in_full_again() -> None:
    first, cold = read(KYOCERA)
    later, questions = read(KYOCERA, first.plan, NOON + LASTS)

    assert questions == cold
    assert later.plan is not None
    assert later.plan.made_at == NOON + LASTS


def test_a_device_that_has_just_started_is_not_remembered() -> None:
    started = {**KYOCERA, SYS_UP_TIME: Varbind(SYS_UP_TIME, "TimeTicks", AWAKE - 1)}

    assert read(started)[0].plan is None


def test_rows_that_sleep_are_asked_for_again_at_the_next_read() -> None:
    awake, _ = read(KYOCERA)
    asleep, _ = read(without(FAX), awake.plan, SOON)
    again, _ = read(KYOCERA, asleep.plan, SOON)

    assert "fax" not in asleep.decoded.meters.counts
    assert asleep.plan is awake.plan
    assert again.decoded.meters == awake.decoded.meters


def test_a_counter_that_comes_into_being_is_read() -> None:
    before, cold = read(without(FAX))
    after, questions = read(KYOCERA, before.plan, SOON)

    assert questions < cold
    assert after.decoded.meters.counts["fax"] == KYOCERA[FAX].value


def test_a_device_whose_counters_are_stale_until_it_is_walked_is_always_read_in_full() -> None:
    samsung = rows_of(WALKS / "samsung-colour-mfp.snmprec")

    assert read(samsung)[0].plan is None
