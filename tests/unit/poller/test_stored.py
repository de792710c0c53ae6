"""A stored read through another profile: what it kept is known, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from services.poller.decode import NotReadableError
from services.poller.mib import SYS_OBJECT_ID
from services.poller.profile import Profile
from services.poller.recognise import Profiles
from services.poller.stored import Replay, Replayed, meters_digest, profile_now
from shared.messages import DeviceIdentity, MeterRead
from shared.snmp.port import Varbind
from tests.unit.poller.reading import PROFILES, by_oid, counter, octets, read_rows
from tests.unit.poller.test_any_varbinds import _rows
from tests.unit.poller.test_walks import NAMES, WALKS
from tests.unit.walks import rows_of

OWN = "1.3.6.1.4.1.32473"
A, B, C, D = (f"{OWN}.{n}.0" for n in (1, 2, 3, 4))
SOURCE = {"source": "its MIB"}
BY_LABEL = {profile.label: profile for profile in PROFILES.by_name.values()}


def profile(version: int = 1, checks: Sequence[Any] = (), **meters: Any) -> Profile:
    """Northwind's, with nothing inherited: each meter by one way or several; an OID is its row."""
    ways = {name: way if isinstance(way, list) else [way] for name, way in meters.items()}
    return Profile.model_validate(
        {
            "profile": "northwind",
            "version": version,
            "title": "Northwind",
            "match": [{"make": "Northwind", "sys_object_id": OWN, **SOURCE}],
            "checks": [{**check, **SOURCE} for check in checks],
            "meters": {name: [_way(each) for each in way] for name, way in ways.items()},
        }
    )


def _way(way: str | dict[str, Any]) -> dict[str, Any]:
    return {**({"oid": way} if isinstance(way, str) else way), **SOURCE}


def profiles(own: Profile) -> Profiles:
    return Profiles({**PROFILES.by_name, "northwind": own})


def read_by(own: Profile, *varbinds: Varbind) -> MeterRead:
    told = Varbind(SYS_OBJECT_ID, "ObjectIdentifier", f"{OWN}.1")
    return read_rows(by_oid(told, *varbinds), profiles(own))


def replay(read: MeterRead, now: Profile, was: Profile | None) -> Replayed:
    return Replay(now, was).of(read)


def said(replayed: Replayed) -> tuple[Mapping[str, int], Mapping[str, str]]:
    return replayed.meters.counts, replayed.not_read


WAS = profile(total=A, copy=B)
KEPT = ("Counter32", 500)


def test_a_row_that_was_kept_can_become_another_meter() -> None:
    read = read_by(WAS, counter(A, 500), counter(B, 480))

    assert said(replay(read, profile(2, total=B), WAS)) == ({"total": 480}, {})


def test_a_row_that_nobody_asked_for_is_not_read() -> None:
    read = read_by(WAS, counter(A, 500))

    replayed = replay(read, profile(2, total=C), WAS)

    assert said(replayed) == ({}, {"total": C})
    assert replayed.no_meters_because == f"no total: the row {C} was not kept"


def test_a_row_that_was_asked_for_and_is_not_there_is_not_reported() -> None:
    read = read_by(WAS, counter(A, 500))

    assert said(replay(read, profile(2, total=A, print=B), WAS)) == ({"total": 500}, {})


def test_without_the_profile_that_it_was_read_with_only_what_was_kept_is_known() -> None:
    read = read_by(WAS, counter(A, 500))

    assert said(replay(read, profile(2, total=A, print=B), None)) == ({"total": 500}, {"print": B})


def test_a_fallback_is_not_taken_where_nobody_asked_for_the_row_before_it() -> None:
    """A read of today would take the first row, if the device has it."""
    read = read_by(WAS, counter(A, 500), counter(B, 480))

    now = profile(2, total=[C, A], copy=[B, C])

    assert said(replay(read, now, WAS)) == ({"copy": 480}, {"total": C})


def test_single_rows_of_a_table_are_not_the_table() -> None:
    """Another row of it may count as well, and then no one knows which is the meter."""
    was = profile(total=f"{OWN}.5.1")
    read = read_by(was, counter(f"{OWN}.5.1", 500), counter(f"{OWN}.5.2", 70))

    now = profile(2, total={"column": f"{OWN}.5"})

    assert said(replay(read, now, was)) == ({}, {"total": f"{OWN}.5"})


def test_a_sum_of_what_is_present_stands_where_its_check_shows_that_it_is_whole() -> None:
    was = profile(total=A, mono=B, color=D)
    parts = {"sum": [B, C], "where_present": True}
    check = {"whole": "total", "parts": ["mono", "color"]}
    now = profile(2, [check], total=A, mono=parts, color=D)
    whole = read_by(was, counter(A, 100), counter(B, 60), counter(D, 40))
    short = read_by(was, counter(A, 100), counter(B, 50), counter(D, 40))

    assert said(replay(whole, now, was)) == ({"total": 100, "mono": 60, "color": 40}, {})
    assert said(replay(short, now, was)) == ({"total": 100}, {"mono": C, "color": C})


@pytest.mark.parametrize(
    "cut",
    [
        {"notes": [f"not read: {B}: genErr"]},
        {"varbinds": {C: KEPT}},
        {"notes": ["not kept: 3 counter rows found no room"]},
    ],
    ids=["broken off", "withheld", "full"],
)
def test_of_a_read_that_may_lack_rows_nothing_absent_is_known(cut: dict[str, Any]) -> None:
    read = read_by(WAS, counter(A, 500))

    assert replay(read, profile(2, print=B), WAS).not_read == {}
    cut_read = read.model_copy(update=cut)
    assert replay(cut_read, profile(2, print=B), WAS).not_read == {"print": B}


@pytest.mark.parametrize(
    ("label", "count"),
    [(b"Gesamt", 500), ("Geschäft".encode(), 500), ("Geschäft".encode("latin-1"), None)],
)
def test_a_label_tells_only_what_it_says_in_any_character_set(
    label: bytes, count: int | None
) -> None:
    wanted = label.decode("latin-1") if count is None else label.decode()
    row = {"column": f"{OWN}.5.3", "where": {"column": f"{OWN}.5.2", "equals": wanted}}
    was, now = profile(total=row), profile(2, print=row)
    read = read_by(was, octets(f"{OWN}.5.2.1", label), counter(f"{OWN}.5.3.1", 500))

    assert replay(read, now, was).meters.counts.get("print") == count


def test_a_meter_whose_ways_are_the_same_stays_where_other_rows_had_no_room() -> None:
    """The read keeps all behind a count; another row might have made one of the others."""
    label, count = f"{OWN}.5.2", f"{OWN}.5.3"
    rows = {name: {"column": count, "where": {"column": label, "equals": name}} for name in "ab"}
    was, now = profile(total=rows["a"]), profile(2, total=rows["a"], print=rows["b"])
    many = [octets(f"{label}.{n}", "x" * 99) for n in range(2, 60)]
    read = read_by(was, octets(f"{label}.1", "a"), counter(f"{count}.1", 500), *many)

    assert said(replay(read, now, was)) == ({"total": 500}, {"print": label})
    assert said(replay(read, now, None))[0] == {}


def test_a_row_that_was_one_of_several_is_not_the_only_one_where_the_others_had_no_room() -> None:
    """Both rows of the table count, so the total was another way; of them only one was kept."""
    table = {"column": f"{OWN}.5"}
    own = profile(total=[table, A])
    read = read_by(own, counter(A, 500), counter(f"{OWN}.5.1", 7), counter(f"{OWN}.5.2", 8))
    del read.varbinds[f"{OWN}.5.2"]
    read = read.model_copy(update={"notes": ["not kept: 3 counter rows found no room"]})

    assert (read.meters, said(replay(read, own, own))) == (
        {"total": 500},
        ({}, {"total": f"{OWN}.5"}),
    )


@pytest.mark.parametrize(
    "kept",
    [("OctetString", "no hex"), ("OctetString", 7), ("Counter32", "x"), ("Counter64", "9" * 5000)],
)
def test_what_no_varbind_can_have_been_is_no_row(kept: tuple[str, int | str]) -> None:
    read = read_by(WAS, counter(A, 500)).model_copy(update={"varbinds": {A: kept}})

    assert said(replay(read, WAS, WAS)) == ({}, {"total": A, "copy": B})


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_says_the_same_when_it_is_replayed(name: str) -> None:
    read = read_rows(rows_of(WALKS / f"{name}.snmprec"))

    _check_the_same(read)


@settings(max_examples=100, deadline=None)
@given(_rows)
def test_any_read_says_the_same_when_it_is_replayed_or_says_what_was_not_kept(
    rows: Mapping[str, Varbind],
) -> None:
    try:
        read = read_rows(rows)
    except NotReadableError:
        return
    _check_the_same(read)


def _check_the_same(read: MeterRead) -> None:
    own = BY_LABEL[read.profile]
    replayed = replay(MeterRead.model_validate_json(read.to_json()), own, own)
    meters = replayed.meters
    gone = read.meters.keys() - meters.counts.keys()

    assert gone <= replayed.not_read.keys()
    assert meters.counts == {name: n for name, n in read.meters.items() if name not in gone}
    assert meters.sources == {name: o for name, o in read.sources.items() if name not in gone}
    if not gone:
        assert (meters.units, replayed.basis) == (read.units, read.basis)
        assert replayed.large_counts == read.large_counts


def test_a_device_has_the_profile_that_would_be_chosen_for_it_now() -> None:
    device = DeviceIdentity(sys_object_id=f"{OWN}.1")
    read = read_by(WAS, counter(A, 500)).model_copy(update={"device": device})
    standard = read.model_copy(update={"profile": "rfc3805@1"})
    unknown = read.model_copy(update={"profile": "elsewhere@3"})
    without = standard.model_copy(update={"device": DeviceIdentity()})

    chosen = [
        each and each.label
        for each in (profile_now(one, profiles(WAS)) for one in (read, standard, unknown, without))
    ]

    assert chosen == ["northwind@1", "northwind@1", None, BY_LABEL["rfc3805@1"].label]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("withheld", [{}, {"description": None}], ids=["", "withheld"])
def test_a_walk_keeps_its_profile_whatever_the_site_withholds(
    name: str, withheld: dict[str, None]
) -> None:
    """What lies inside a device that has another maker's number, its sysDescr alone tells."""
    read = read_rows(rows_of(WALKS / f"{name}.snmprec"))
    device = read.device.model_copy(update=withheld)

    now = profile_now(read.model_copy(update={"device": device}), PROFILES)

    assert now is not None
    assert now.label == read.profile


def test_a_profiles_digest_changes_with_its_numbers_and_not_with_its_words() -> None:
    words = {"title": "Northwind devices", "version": 2, "match": []}

    assert meters_digest(WAS) == meters_digest(WAS.model_copy(update=words))
    assert meters_digest(WAS) != meters_digest(profile(total=A, copy=C))
    assert meters_digest(WAS) != meters_digest(WAS.model_copy(update={"basis": "life"}))
