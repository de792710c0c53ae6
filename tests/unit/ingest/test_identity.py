from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.ingest.identity import KnownDevice, Sighting, device_key, owned, place
from shared.messages import DeviceIdentity

ROUND = uuid4()
KEY = "serial KYOCERA VB1"


def seen(
    target: str,
    mac: str | None = None,
    key: str | None = KEY,
    round_id: UUID = ROUND,
    model: str = "FS-4200DN",
) -> Sighting:
    return Sighting(uuid4(), round_id, target, mac, model, key)


@pytest.mark.parametrize("serial", ["vb12345", " VB12345 ", "VB12\x00345", "VB 12345"])
def test_a_serial_is_compared_without_case_spaces_and_nuls(serial: str) -> None:
    device = DeviceIdentity.model_construct(make=" Kyocera ", serial=serial, mac=None)

    assert device_key("hq", device) == ("serial KYOCERA VB12345", None)


@pytest.mark.parametrize(
    "serial",
    [None, "", "  ", "0000000000", "XXXXXXX", "1234567890000", "n/a", "unknown", "----------"],
)
def test_a_serial_that_many_devices_show_gives_way_to_the_mac_address(serial: str | None) -> None:
    device = DeviceIdentity(make="HP", serial=serial, mac="00-1B-A9-00-11-22")

    assert device_key("hq", device) == ("mac hq 00:1b:a9:00:11:22", None)


@pytest.mark.parametrize("mac", [None, "", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "no mac"])
def test_a_device_with_neither_serial_nor_mac_is_held_for_a_person(mac: str | None) -> None:
    key, because = device_key("hq", DeviceIdentity(make="HP", mac=mac))

    assert key is None
    assert because == "it reports no serial number, and no MAC address to go by"


def test_a_serial_without_a_maker_still_tells_devices_apart() -> None:
    assert device_key("hq", DeviceIdentity(serial="VB12345")) == ("serial - VB12345", None)


@pytest.mark.parametrize(
    ("model", "owner", "held"),
    [("M2", "M2", True), (None, "M2", True), ("M2", None, True), ("M2", "M3", False)],
)
def test_a_read_that_lacks_the_serial_of_its_mac_address_is_held_if_it_can_be_the_same_device(
    model: str | None, owner: str | None, held: bool
) -> None:
    bare = Sighting(
        uuid4(), ROUND, "snmp:a", "02:00:00:00:00:01", model, "mac hq 02:00:00:00:00:01"
    )

    told = owned(bare, {"02:00:00:00:00:01": (KEY, owner)})

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
    assert placing.quarantined[KEY].endswith("two devices show it")


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
