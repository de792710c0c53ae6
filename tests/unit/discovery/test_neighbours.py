from __future__ import annotations

from datetime import UTC, datetime

from services.discovery.devices import Device, Traits
from services.discovery.neighbours import mac_at, moved_to, neighbours_of
from services.discovery.plan import Known
from shared.messages import SnmpTarget
from shared.spans import number_of

TABLE = """\
IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         02:fc:00:00:00:05     *        eth0
10.0.0.7         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.6         0x1         0x0         00:17:c8:00:00:0b     *        eth0
10.0.0.8         0x1         0x6         00:17:C8:00:00:0A     *        eth0
10.0.0.9         0x1         0x2         01:00:5e:00:00:01     *        eth0
a line that is none
"""
MAC = "00:17:c8:00:00:0a"
ANYWHERE = [(number_of("10.0.0.0"), number_of("10.0.0.255"))]


def silent(mac: str | None) -> Device:
    target = SnmpTarget(snmp="10.0.0.7", port=1161)
    return Device(target, "office", 1, Traits(mac=mac), datetime(2026, 3, 2, tzinfo=UTC))


def test_neighbours_are_those_whose_mac_the_box_has_learned() -> None:
    assert neighbours_of(TABLE) == {"10.0.0.1": "02:fc:00:00:00:05", "10.0.0.8": MAC}


def test_a_silent_device_is_looked_for_as_it_is_known() -> None:
    assert moved_to([silent(MAC), silent(None)], {"10.0.0.8": MAC}, ANYWHERE) == [
        Known("10.0.0.8", 1161, "office", 1)
    ]


def test_a_mac_that_is_at_several_addresses_is_a_routers() -> None:
    here = {"10.0.0.8": MAC, "10.0.0.9": MAC}

    assert moved_to([silent(MAC)], here, ANYWHERE) == []


def test_at_most_a_hundred_are_looked_for() -> None:
    assert len(moved_to([silent(MAC)] * 500, {"10.0.0.8": MAC}, ANYWHERE)) == 100


def test_a_mac_that_stands_at_several_addresses_is_a_routers_and_tells_no_device() -> None:
    here = {"10.0.0.7": "00:00:5e:00:00:01", "10.0.0.8": "00:00:5e:00:00:01", "10.0.0.9": MAC}

    assert [mac_at(address, here) for address in (*here, "10.0.0.1")] == [None, None, MAC, None]
