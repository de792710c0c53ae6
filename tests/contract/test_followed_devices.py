"""Devices that change between rounds, over UDP: what their orders, events and silences say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.discovery.identify import PRT_GENERAL_SERIAL_NUMBER, SYS_DESCR, SYS_OBJECT_ID
from services.discovery.local_devices.attached import Attached, AttachedDevice
from services.discovery.plan import Limits
from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.message import Message
from shared.messages import (
    DeviceEvent,
    NotReached,
    RoundFinished,
    SnmpTarget,
    SpooledDevice,
    SpooledQueue,
    SpooledTarget,
)
from shared.scope import Spooler
from tests.peers.v3_agent import V3Agent, answering
from tests.unit.discovery.test_rounds import Bus, Site, addresses, until
from tests.unit.discovery.test_sweep_v3 import CREDENTIALS

MAC_A, MAC_B = "00:17:c8:00:00:0a", "00:17:c8:00:00:0b"
PC = Spooler(host="pc7", protocol="rprn_pipe", credential="office")


def printer(serial: str) -> Rows:
    return {
        SYS_DESCR: ("OctetString", b"KYOCERA Document Solutions Printing System"),
        SYS_OBJECT_ID: ("ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
        f"{PRT_GENERAL_SERIAL_NUMBER}.1": ("OctetString", serial.encode()),
    }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.limits = Limits(tries=1)
    return site


async def run_round(
    site: Site, devices: Mapping[int, str], kind: str = "read", **wish: Any
) -> RoundFinished:
    """A round in which `devices` answer: last octet to serial number."""
    bus = Bus()
    agents = {
        (f"127.9.4.{octet}", site.port): SimulatedAgent(printer(serial))
        for octet, serial in devices.items()
    }
    async with simulate(agents):
        await site.rounds(bus.publish).run(site.begin(kind, **wish))
    [finished] = bus.finished
    assert addresses(
        [one for one in finished.orders if isinstance(one.target, SnmpTarget)]
    ) == sorted(f"127.9.4.{octet}" for octet in devices)
    return finished


def told(events: Sequence[DeviceEvent]) -> list[tuple[str, str, str | None]]:
    def octet(target: object) -> str:
        return target.snmp.rpartition(".")[2] if isinstance(target, SnmpTarget) else ""

    return [(one.kind, octet(one.target), octet(one.before) or None) for one in events]


async def test_a_device_with_a_new_address_is_followed_and_is_silent_nowhere(site: Site) -> None:
    await run_round(site, {2: "AAA111"}, "search")

    moved = await run_round(site, {5: "AAA111"}, "search")
    later = await run_round(site, {5: "AAA111"})

    assert told(moved.events) == [("moved", "5", "2")]
    assert not moved.silent
    assert not later.silent
    assert not later.events


async def test_devices_that_exchange_addresses_are_followed_both(site: Site) -> None:
    await run_round(site, {2: "AAA111", 5: "BBB222"}, "search")

    swapped = await run_round(site, {2: "BBB222", 5: "AAA111"})

    assert sorted(told(swapped.events)) == [("moved", "2", "5"), ("moved", "5", "2")]
    assert swapped.silent == []


async def test_a_new_device_on_an_old_address_is_told_and_the_old_one_is_silent(
    site: Site,
) -> None:
    await run_round(site, {2: "AAA111"}, "search")

    renewed = await run_round(site, {2: "CCC333"})

    [event] = renewed.events
    assert (event.kind, event.serial, event.serial_before) == (
        "another_device",
        "CCC333",
        "AAA111",
    )
    [silent] = renewed.silent
    assert (silent.target, silent.serial, silent.silent_rounds) == (event.target, "AAA111", 1)


async def test_two_devices_that_claim_one_serial_stay_two(site: Site) -> None:
    twins = await run_round(site, {2: "AAA111", 5: "AAA111"}, "search")
    one_is_off = await run_round(site, {2: "AAA111"})
    again = await run_round(site, {2: "AAA111", 5: "AAA111"})

    assert told(twins.events) == [("twins", "5", "2")]
    assert [addresses([one]) for one in one_is_off.silent] == [["127.9.4.5"]]
    assert one_is_off.events == again.events == []


async def test_a_new_board_in_a_device_is_told_by_its_mac(site: Site) -> None:
    site.neighbours = {"127.9.4.2": MAC_A}
    await run_round(site, {2: "AAA111"}, "search")

    [event] = (await run_round(site, {2: "CCC333"})).events

    assert (event.kind, event.serial, event.serial_before, event.mac, event.before) == (
        "board_replaced",
        "CCC333",
        "AAA111",
        MAC_A,
        None,
    )


async def test_a_serial_that_many_show_tells_nothing(site: Site) -> None:
    known = await run_round(site, {2: "1234567890000", 3: "0000000"}, "search")
    swapped = await run_round(site, {2: "0000000", 3: "1234567890000"})

    assert known.events == swapped.events == []


async def test_a_silent_device_is_asked_where_its_mac_now_is(site: Site) -> None:
    site.neighbours = {"127.9.4.2": MAC_A}
    await run_round(site, {2: "AAA111"}, "search")
    chosen: dict[str, Any] = {"segments": (site.network,)}
    silent = await run_round(site, {}, **chosen)
    site.neighbours = {"127.9.4.9": MAC_A, "127.9.4.2": MAC_A}

    followed = await run_round(site, {9: "AAA111"}, **chosen)

    assert told(followed.events) == [("moved", "9", "2")]
    assert (followed.asked, followed.answered, followed.silent) == (2, 1, [])
    assert followed.packets == silent.packets + 2


@pytest.mark.parametrize(
    "wish",
    [
        {"segments": ("127.9.4.0/29",)},
        {"segments": ("127.9.4.0/28",), "exclusions": ("127.9.4.9",)},
        {"segments": ()},
    ],
)
async def test_a_mac_leads_nowhere_that_is_not_chosen(site: Site, wish: dict[str, Any]) -> None:
    site.neighbours = {"127.9.4.2": MAC_A}
    await run_round(site, {2: "AAA111"}, "search")
    site.neighbours = {"127.9.4.9": MAC_A}
    elsewhere = SimulatedAgent(printer("AAA111"))

    async with simulate({("127.9.4.9", site.port): elsewhere}):
        silent = await run_round(site, {}, **wish)

    assert elsewhere.requests == 0
    assert len(silent.silent) == 1


async def test_a_device_is_told_silent_once_and_what_was_tried(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_round(site, {2: "AAA111"}, "search")
    told_in: list[int] = []
    for _ in range(3):
        finished = await run_round(site, {}, silent_after=2)
        told_in.append(capsys.readouterr().out.count("device silent"))

    assert told_in == [0, 1, 0]
    [silent] = finished.silent
    assert (silent.silent_rounds, silent.tried) == (3, ["public"])


async def test_a_device_whose_address_is_excluded_is_no_longer_known(site: Site) -> None:
    await run_round(site, {2: "AAA111", 3: "BBB222"}, "search")

    excluded = await run_round(site, {3: "BBB222"}, exclusions=("127.9.4.2",))

    assert excluded.silent == []
    assert [one.address for one in site.roster.known()] == ["127.9.4.3"]


def attached(queue: str, serial: str | None = None, address: str | None = None) -> AttachedDevice:
    kind = "tcp" if address else "usb"
    return AttachedDevice(
        SpooledTarget(spooled=SpooledQueue(host="pc7", queue=queue, port_name="USB001", kind=kind)),
        SpooledDevice(make="Zebra", model="ZD420", serial=serial),
        address,
    )


def lists(*devices: AttachedDevice, fault: str | None = None) -> Any:
    async def list_attached(spoolers: Sequence[Spooler], **_: object) -> Attached:
        missed = [NotReached(target=one.host, reason=fault) for one in spoolers if fault]
        return Attached(() if fault else devices, tuple(missed))

    return list_attached


async def test_what_a_computer_has_attached_is_ordered_unless_it_answers_by_network(
    site: Site,
) -> None:
    site.list_attached = lists(
        attached("label"),
        attached("shared", address="127.9.4.2"),
        attached("named", address="printer9"),
    )
    agents = {2: "AAA111", 9: "BBB222"}

    searched = await run_round(site, agents, "search", spoolers=(PC,))
    read = await run_round(site, agents, spoolers=(PC,))
    site.list_attached = lists()
    unplugged = await run_round(site, agents, spoolers=(PC,))

    for finished in (searched, read):
        [order] = [one for one in finished.orders if isinstance(one.target, SpooledTarget)]
        assert order.target == attached("label").target
    assert [one.target for one in unplugged.silent] == [attached("label").target]


async def test_a_device_that_is_first_seen_while_others_are_read_waits_for_a_search(
    site: Site,
) -> None:
    site.list_attached = lists(attached("label"))
    await run_round(site, {}, "search", spoolers=(PC,))
    site.list_attached = lists(attached("label"), attached("new"))

    read = await run_round(site, {}, spoolers=(PC,))
    searched = await run_round(site, {}, "search", spoolers=(PC,))

    assert (len(read.orders), len(searched.orders)) == (1, 2)


async def test_an_attached_device_that_comes_to_answer_by_network_is_one_device(
    site: Site,
) -> None:
    site.list_attached = lists(attached("shared", address="127.9.4.2"))
    alone = await run_round(site, {}, "search", spoolers=(PC,))

    by_network = await run_round(site, {2: "AAA111"}, "search", spoolers=(PC,))

    assert [one.target.key for one in alone.orders] == ["spooled:pc7/shared"]
    assert len(by_network.orders) == 1
    assert by_network.silent == []
    assert [one.address for one in site.roster.known()] == ["127.9.4.2"]


async def test_an_order_for_an_attached_device_says_what_its_computer_says(site: Site) -> None:
    site.list_attached = lists(attached("label"))
    bus = Bus()

    await site.rounds(bus.publish).run(site.begin(spoolers=(PC,)))

    [order] = bus.orders
    assert order.found_by == "spooler"
    assert order.spooled == attached("label").seen
    assert order.credential is None


async def test_a_computer_that_gives_no_list_makes_nothing_silent(site: Site) -> None:
    site.list_attached = lists(attached("label"))
    await run_round(site, {}, "search", spoolers=(PC,))
    site.list_attached = lists(fault="access is denied")

    denied = await run_round(site, {}, spoolers=(PC,))
    gone = await run_round(site, {}, spoolers=())

    assert [(one.target, one.reason) for one in denied.not_reached] == [("pc7", "access is denied")]
    assert denied.silent == gone.silent == []
    assert site.roster.known() == []


async def test_a_computer_that_the_ceiling_does_not_name_is_not_reached(site: Site) -> None:
    finished = await run_round(site, {}, "search", spoolers=(PC,))

    assert [one.target for one in finished.not_reached] == ["pc7"]


async def test_a_computer_that_was_not_asked_before_the_deadline_is_named(site: Site) -> None:
    async def never(spoolers: Sequence[Spooler], **_: object) -> Attached:
        await asyncio.Event().wait()
        raise AssertionError

    site.list_attached = never
    site.now = lambda: datetime.now(UTC)

    finished = await run_round(site, {}, "search", deadline_s=1.0, spoolers=(PC,))

    assert [(one.target, one.reason) for one in finished.not_reached] == [
        ("pc7", "not asked before the round's deadline")
    ]


async def test_a_device_that_no_credential_fits_is_named_and_is_no_order(site: Site) -> None:
    """A printer that speaks SNMPv3 alone, seen by its engine's answer."""
    bus = Bus()

    async with answering(V3Agent(CREDENTIALS["secure"], {}), "127.9.4.2", site.port):
        await site.rounds(bus.publish).run(site.begin("read", targets=("127.9.4.2",)))

    [finished] = bus.finished
    [refused] = finished.no_credential
    assert (refused.target, refused.tried) == (
        SnmpTarget(snmp="127.9.4.2", port=site.port),
        ["public"],
    )
    assert not bus.orders
    assert not finished.orders
    assert not finished.not_reached
    assert finished.answered == 1


async def test_a_round_that_was_cut_off_follows_all_that_answered_before_and_after(
    site: Site,
) -> None:
    await run_round(site, {2: "AAA111", 3: "BBB222"}, "search")
    site.list_attached = lists(attached("label"))
    begun = site.begin(spoolers=(PC,))

    async def never(message: Message) -> None:
        await asyncio.Event().wait()

    async with simulate({("127.9.4.9", site.port): SimulatedAgent(printer("AAA111"))}):
        running = asyncio.create_task(site.rounds(never).run(begun))
        await until(lambda: len(site.roster.answers(begun.id)) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    site.restart()
    continued = site.roster.open_round()
    assert continued is not None
    bus = Bus()
    async with simulate({("127.9.4.8", site.port): SimulatedAgent(printer("BBB222"))}):
        await site.rounds(bus.publish).run(continued)

    [finished] = bus.finished
    assert sorted(told(finished.events)) == [("moved", "8", "3"), ("moved", "9", "2")]
    assert finished.silent == []
    assert len(bus.orders) == len(finished.orders) == 3
    assert [one.spooled for one in bus.orders if one.found_by == "spooler"] == [
        attached("label").seen
    ]
