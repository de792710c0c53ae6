"""Whose answer it is: what is known before a round and what answered in it, and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.discovery.devices import Device, Followed, Traits, follow, known_by_snmp
from shared.messages import DeviceEvent, SnmpTarget

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
MAC_A, MAC_B = "00:17:c8:00:00:0a", "00:17:c8:00:00:0b"


def device(
    octet: int, serial: str | None = None, mac: str | None = None, *, silent_rounds: int = 0
) -> Device:
    target = SnmpTarget(snmp=f"10.0.0.{octet}")
    return Device(target, "public", 1, Traits("1347", serial, mac), NOW, silent_rounds)


def after(
    known: Iterable[Device], answered: Iterable[Device], unasked: Iterable[int] = ()
) -> Followed:
    """A round that asks all known devices but those at `unasked`."""
    known, answered = list(known), list(answered)
    left_out = {f"snmp:[10.0.0.{octet}]:161" for octet in unasked}
    heard = {one.target.key for one in answered}
    return follow(known, answered, {one.target.key for one in known} - heard - left_out)


def places(devices: Iterable[Device]) -> list[tuple[str, str | None, int]]:
    return [(one.address.removeprefix("10.0.0."), one.traits.serial, one.silent_rounds)
            for one in devices]  # fmt: skip


def told(events: Iterable[DeviceEvent]) -> list[tuple[str, str, str | None]]:
    def shown(target: object) -> str | None:
        return target.snmp.removeprefix("10.0.0.") if isinstance(target, SnmpTarget) else None

    return [(one.kind, shown(one.target) or "", shown(one.before)) for one in events]


def test_a_device_that_answers_where_it_was_is_as_it_was() -> None:
    followed = after([device(7, "A111", MAC_A)], [device(7, "A111", MAC_A)])

    assert places(followed.known) == [("7", "A111", 0)]
    assert (followed.silent, followed.events) == ([], [])


def test_a_device_is_followed_to_another_address_by_its_serial() -> None:
    followed = after([device(7, "A111")], [device(9, "A111")])

    assert places(followed.known) == [("9", "A111", 0)]
    assert told(followed.events) == [("moved", "9", "7")]
    assert followed.silent == []


def test_a_device_that_shows_no_serial_is_followed_by_its_mac() -> None:
    followed = after([device(7, None, MAC_A)], [device(9, None, MAC_A)])

    assert told(followed.events) == [("moved", "9", "7")]


def test_a_device_that_was_found_before_its_old_address_was_asked_is_followed_later() -> None:
    found = after([device(7, "A111")], [device(9, "A111")], unasked=[7])
    assert places(found.known) == [("9", "A111", 0), ("7", "A111", 0)]
    assert found.events == []

    followed = after(found.known, [device(9, "A111")])

    assert places(followed.known) == [("9", "A111", 0)]
    assert told(followed.events) == [("moved", "9", "7")]


def test_devices_that_exchange_their_addresses_have_moved_both() -> None:
    followed = after(
        [device(7, "A111", MAC_A), device(9, "B222", MAC_B)],
        [device(7, "B222", MAC_B), device(9, "A111", MAC_A)],
    )

    assert sorted(told(followed.events)) == [("moved", "7", "9"), ("moved", "9", "7")]
    assert sorted(places(followed.known)) == [("7", "B222", 0), ("9", "A111", 0)]


def test_another_device_at_an_address_leaves_the_old_one_silent() -> None:
    first = after([device(7, "A111")], [device(7, "N999")])
    again = after(first.known, [device(7, "N999")])

    assert told(first.events) == [("another_device", "7", None)]
    assert (first.events[0].serial, first.events[0].serial_before) == ("N999", "A111")
    assert places(again.known) == [("7", "N999", 0), ("7", "A111", 2)]
    assert places(again.silent) == [("7", "A111", 2)]
    assert again.events == []


def test_an_address_with_two_known_devices_is_asked_for_the_one_that_answered_last() -> None:
    silent = device(7, "A111", silent_rounds=4)._replace(credential="old")

    assert [one.credential for one in known_by_snmp([silent, device(7, "N999")])] == [
        "public",
        "old",
    ]


def test_a_device_that_comes_back_to_its_address_is_that_device() -> None:
    displaced = after([device(7, "A111")], [device(7, "N999")])

    back = after(displaced.known, [device(7, "A111")])

    assert places(back.known) == [("7", "A111", 0), ("7", "N999", 1)]
    assert told(back.events) == [("another_device", "7", None)]


def test_two_addresses_that_claim_one_serial_are_told_once_and_never_merged() -> None:
    both = [device(7, "A111", MAC_A), device(9, "A111", MAC_B)]
    first = after([device(7, "A111", MAC_A)], both)
    again = after(first.known, both)
    one_is_off = after(again.known, both[:1])
    moved = after(one_is_off.known, [both[0], device(11, "A111", MAC_B)])

    assert told(first.events) == [("twins", "9", "7")]
    assert again.events == one_is_off.events == []
    assert sorted(places(one_is_off.known)) == [("7", "A111", 0), ("9", "A111", 1)]
    assert told(moved.events) == [("moved", "11", "9")]  # by its MAC


def test_a_serial_tells_again_once_its_twin_is_gone() -> None:
    twins = after([], [device(7, "A111"), device(9, "A111")])
    alone = after([one for one in twins.known if one.address != "10.0.0.9"], [device(7, "A111")])

    followed = after(alone.known, [device(8, "A111")])

    assert told(followed.events) == [("moved", "8", "7")]


def test_a_device_with_two_addresses_has_no_twin() -> None:
    followed = after([], [device(7, "A111", MAC_A), device(9, "A111", MAC_A)])

    assert followed.events == []


def test_a_new_serial_under_the_same_mac_is_a_new_board() -> None:
    followed = after([device(7, "A111", MAC_A)], [device(7, "B222", MAC_A)])

    [event] = followed.events
    assert (event.kind, event.serial, event.serial_before, event.mac) == (
        "board_replaced",
        "B222",
        "A111",
        MAC_A,
    )
    assert places(followed.known) == [("7", "B222", 0)]


def test_a_mac_that_answers_for_several_is_a_router_s_and_tells_nothing() -> None:
    known = [device(7, "A111", MAC_A), device(8, "B222", MAC_A)]
    seen = after([], known).known

    followed = after(seen, [device(8, "B222", MAC_A)])

    assert followed.events == []
    assert sorted(places(followed.known)) == [("7", "A111", 1), ("8", "B222", 0)]


def test_what_an_answer_does_not_show_is_not_forgotten() -> None:
    followed = after([device(7, "A111", MAC_A)], [device(7)])

    assert followed.known[0].traits == Traits("1347", "A111", MAC_A)
    assert followed.events == []


def test_what_was_not_asked_is_neither_silent_nor_gone() -> None:
    known = [device(7, "A111", silent_rounds=2)]

    assert after(known, [], unasked=[7]) == Followed(known, [], [])


some = st.lists(
    st.builds(
        device,
        st.integers(1, 5),
        st.sampled_from([None, "A111", "B222", "C333"]),
        st.sampled_from([None, MAC_A, MAC_B]),
    ),
    max_size=5,
    unique_by=lambda one: one.target.key,
)


@given(st.lists(some, max_size=6))
def test_whatever_answers_every_answer_is_known_and_none_is_lost_but_one_that_moved(
    rounds: list[list[Device]],
) -> None:
    known: list[Device] = []
    for answered in rounds:
        followed = after(known, answered)

        now = [one for one in followed.known if not one.silent_rounds]
        assert {one.target.key for one in now} >= {one.target.key for one in answered}
        assert len({one.target.key for one in now}) == len(now)
        assert all(one.silent_rounds for one in followed.silent)
        moved = sum(one.kind in ("moved", "board_replaced") for one in followed.events)
        assert len(followed.known) >= max(len(known) - moved, len(answered))
        known = followed.known


def test_an_address_that_shows_another_serial_each_round_fills_no_roster() -> None:
    known: list[Device] = []
    for number in range(60):
        known = after(known, [device(7, f"A{number}")]).known

    assert len(known) < 25
    assert places(known)[:2] == [("7", "A59", 0), ("7", "A58", 1)]
