from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.ingest.boards import Holder, Macs
from services.ingest.identity import (
    KnownDevice,
    Placing,
    Sighting,
    device_key,
    holder,
    owned,
)
from services.ingest.identity import place as place_by
from shared.messages import DeviceIdentity, SnmpTarget, SpooledQueue, SpooledTarget

ROUND = uuid4()
AT = SnmpTarget(snmp="10.0.0.7")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "serial KYOCERA VB1"


def seen(
    target: str,
    mac: str | None = None,
    key: str | None = KEY,
    round_id: UUID = ROUND,
    model: str = "FS-4200DN",
    day: int = 0,
) -> Sighting:
    return Sighting(uuid4(), round_id, target, mac, model, key, NOON + timedelta(day))


def place(
    site_id: int,
    sightings: Sequence[Sighting],
    known: Mapping[str, KnownDevice],
    before: Iterable[Sighting],
    macs: Macs | None = None,
) -> Placing:
    return place_by(site_id, sightings, known, before, macs or Macs())


@pytest.mark.parametrize("serial", ["vb12345", " VB12345 ", "VB12\x00345", "VB 12345"])
def test_a_serial_is_compared_without_case_spaces_and_nuls(serial: str) -> None:
    device = DeviceIdentity.model_construct(make=" Kyocera ", serial=serial, mac=None)

    assert device_key("hq", device, AT) == ("serial KYOCERA VB12345", None)


@pytest.mark.parametrize(
    "serial",
    [None, "", "  ", "0000000000", "XXXXXXX", "1234567890000", "n/a", "unknown", "----------"],
)
def test_a_serial_that_many_devices_show_gives_way_to_the_mac_address(serial: str | None) -> None:
    device = DeviceIdentity(make="HP", serial=serial, mac="00-1B-A9-00-11-22")

    assert device_key("hq", device, AT) == ("mac hq 00:1b:a9:00:11:22", None)


@pytest.mark.parametrize("mac", [None, "", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "no mac"])
def test_a_device_with_neither_serial_nor_mac_is_held_for_a_person(mac: str | None) -> None:
    key, because = device_key("hq", DeviceIdentity(make="HP", mac=mac), AT)

    assert key is None
    assert because == "it reports no serial number, and no MAC address to go by"


def test_a_serial_without_a_maker_still_tells_devices_apart() -> None:
    assert device_key("hq", DeviceIdentity(serial="VB12345"), AT) == ("serial - VB12345", None)


@pytest.mark.parametrize(
    ("model", "owner", "held"),
    [("M2", "M2", True), (None, "M2", True), ("M2", None, True), ("M2", "M3", False)],
)
def test_a_read_that_lacks_the_serial_of_its_mac_address_is_held_if_it_can_be_the_same_device(
    model: str | None, owner: str | None, held: bool
) -> None:
    mac = "02:00:00:00:00:01"
    bare = Sighting(uuid4(), ROUND, "snmp:a", mac, model, f"mac hq {mac}", NOON)

    told = owned(bare, Holder(KEY, 1, owner, NOON, NOON, frozenset()))

    assert (told.key is None) == held


def test_a_device_that_moved_to_another_address_stays_the_same() -> None:
    first, second = seen("snmp:a"), seen("snmp:b", round_id=uuid4())

    placing = place(1, [first, second], {}, [])

    assert placing.device_keys == {first.read_id: KEY, second.read_id: KEY}


def test_two_devices_of_one_serial_in_a_round_are_held_both() -> None:
    first, second = seen("snmp:a", "00:1b:a9:00:00:01"), seen("snmp:b", "00:1b:a9:00:00:02")

    placing = place(1, [first, second], {}, [])

    assert placing.device_keys == {}
    assert set(placing.held) == {first.read_id, second.read_id}
    assert placing.quarantined[KEY].because.endswith("two devices show it")
    assert placing.quarantined[KEY].held_as == "twins"


def test_the_twin_that_came_in_an_earlier_batch_is_held_too() -> None:
    first, second = seen("snmp:a"), seen("snmp:b")

    placing = place(1, [second], {KEY: KnownDevice(1)}, [first])

    assert set(placing.held) == {first.read_id, second.read_id}


def test_two_models_that_show_one_mac_are_held_both() -> None:
    mac = "00:1b:a9:00:00:01"
    key = f"mac hq {mac}"
    first = seen("snmp:a", mac, key, model="HL-2270DW")
    second = seen("snmp:b", mac, key, model="MFC-5490CN")

    placing = place(1, [first, second], {}, [])

    assert placing.device_keys == {}
    assert set(placing.held) == {first.read_id, second.read_id}


def test_one_device_at_two_addresses_is_known_by_its_mac() -> None:
    mac = "00:1b:a9:00:00:01"
    first, second = seen("snmp:a", mac), seen("snmp:b", mac)

    assert place(1, [first, second], {}, []).held == {}


def test_a_serial_in_quarantine_stays_there_until_a_person_decides() -> None:
    later = seen("snmp:a", round_id=uuid4())

    placing = place(1, [later], {KEY: KnownDevice(1, "two devices show it")}, [])

    assert placing.held == {later.read_id: "two devices show it"}
    assert placing.quarantined == {}


def test_a_serial_of_another_site_of_the_customer_is_held() -> None:
    read = seen("snmp:a")

    placing = place(2, [read], {KEY: KnownDevice(1)}, [])

    assert "another site of this customer" in placing.held[read.read_id]
    assert KEY in placing.quarantined


def test_a_queue_without_serial_and_mac_is_a_device_by_its_computer_and_name() -> None:
    queue = SpooledQueue(host="PC-7", queue="Brother HL", port_name="USB001", kind="usb")

    assert device_key("hq", DeviceIdentity(make="Brother"), SpooledTarget(spooled=queue)) == (
        "spooled hq pc-7/brother hl",
        None,
    )


def test_a_network_printer_that_a_spooler_also_lists_is_one_device() -> None:
    first = seen("snmp:a", "00:1b:a9:00:00:01")
    listed = seen("spooled:pc-7/brother", model="Brother HL")

    assert place(1, [first, listed], {}, []).held == {}
    assert place(1, [listed, first], {}, []).held == {}


# -- a board that was replaced ----------------------------------------------------------------

MAC = "00:1b:a9:00:00:01"
NEW = "serial KYOCERA VB2"


def had(key: str = KEY, first: int = -30, last: int = -1, **fields: object) -> tuple[str, Holder]:
    given = {"site_id": 1, "model": "FS-4200DN", "rounds": frozenset(), **fields}
    times = {"first_at": NOON + timedelta(first), "last_at": NOON + timedelta(last)}
    return MAC, Holder(key=key, **times, **given)  # type: ignore[arg-type]


def test_a_new_serial_on_the_mac_of_one_that_is_gone_is_held_and_both_are_named() -> None:
    read = seen("snmp:a", MAC, NEW)

    placing = place(1, [read], {}, [], Macs([had()]))

    assert placing.device_keys == {}
    assert "VB2" in placing.held[read.read_id]
    assert "VB1" in placing.held[read.read_id]
    hold = placing.quarantined[NEW]
    assert (hold.held_as, hold.instead_of, hold.at) == ("board_replaced", KEY, NOON)


@pytest.mark.parametrize("old_first", [True, False])
def test_two_serials_of_one_mac_in_one_round_are_two_devices(old_first: bool) -> None:
    pair = [seen("snmp:a", MAC), seen("snmp:b", MAC, NEW)]

    placing = place(1, pair if old_first else pair[::-1], {KEY: KnownDevice(1)}, [], Macs([had()]))

    assert placing.held == {}


def test_a_box_that_fronted_two_devices_may_front_a_third() -> None:
    macs = Macs([had(), had("serial KYOCERA VB3", -20, -2)])

    assert place(1, [seen("snmp:a", MAC, NEW)], {}, [], macs).held == {}


def test_devices_that_shared_a_mac_in_their_only_round_do_share_it() -> None:
    once = frozenset({uuid4()})
    macs = Macs([had(first=-2, last=-2, rounds=once), had("serial X Y234", -1, -1, rounds=once)])

    assert place(1, [seen("snmp:a", MAC, NEW)], {}, [], macs).held == {}


@pytest.mark.parametrize(
    "before",
    [had(model="FS-9999"), had(site_id=2), had(first=1, last=2)],
    ids=["another model", "another site", "later"],
)
def test_what_does_not_look_like_the_same_device_is_one_of_its_own(
    before: tuple[str, Holder],
) -> None:
    assert place(1, [seen("snmp:a", MAC, NEW)], {}, [], Macs([before])).held == {}


def test_a_serial_that_is_known_already_may_take_over_a_mac() -> None:
    read = seen("snmp:a", MAC, NEW)

    assert place(1, [read], {NEW: KnownDevice(1)}, [], Macs([had()])).held == {}


def test_a_board_that_was_replaced_within_one_batch_is_held() -> None:
    first, second = seen("snmp:a", MAC), seen("snmp:a", MAC, NEW, uuid4(), day=1)

    placing = place(1, [first, second], {}, [])

    assert placing.device_keys == {first.read_id: KEY}
    assert set(placing.held) == {second.read_id}


def test_a_stay_of_a_mac_ends_with_the_last_read_whichever_came_first() -> None:
    macs = Macs([had()])
    for day in (3, 1, 2):
        shown = holder(1, seen("snmp:a", MAC, "serial X Y234", day=day))
        assert shown is not None
        macs.note(MAC, shown)

    owner = macs.owner(MAC, NOON + timedelta(3))

    assert owner is not None
    assert (owner.key, owner.first_at, owner.last_at) == (
        "serial X Y234",
        NOON + timedelta(1),
        NOON + timedelta(3),
    )
