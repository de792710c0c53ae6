"""What the hub notes of devices that are not where, or not what, they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from services.ingest.sites import add_customer
from services.ingest.typed import rebuild
from shared.messages import (
    DeviceEvent,
    DeviceIdentity,
    MeterRead,
    NoCredential,
    Segment,
    SegmentsListed,
    SilentDevice,
    SpooledQueue,
    SpooledTarget,
    order_id,
)
from shared.store.events import device_events, stays
from shared.store.overview import missing_names
from shared.store.postgres import Store
from shared.store.scope import set_scope
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import NOON, meter_read, round_finished, target

OLD = DeviceIdentity(make="HP", model="M2", serial="CN00001", mac="00:1b:a9:00:00:01")
NEW = OLD.model_copy(update={"serial": "CN00002"})
OTHER = DeviceIdentity(make="HP", model="M2", serial="CN00003", mac="00:1b:a9:00:00:03")


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


def round_of(day: int) -> UUID:
    return uuid5(UUID(int=0), str(day))


def on(day: int, device: DeviceIdentity, at: int = 7, **fields: Any) -> MeterRead:
    """A read in the round of that day, at the `at`th address."""
    taken_at = NOON + timedelta(days=day, seconds=at)
    return meter_read(at, round_of(day), device, taken_at=taken_at, **fields)


async def events(hub: Hub) -> list[tuple[object, ...]]:
    """(kind, device, device before, target, target before), from the oldest."""
    async with hub.store.transaction() as connection:
        shown = await device_events(connection, hub.site.customer_id, NOON - timedelta(99), 50)
    names = ("kind", "device", "device_before", "target", "target_before")
    return [tuple(row[name] for name in names) for row in reversed(shown.rows)]


async def standing(hub: Hub, serial: str) -> list[tuple[str, str, int, int]]:
    """(kind, value, day of the first read, day of the last), from the oldest."""
    [device] = await hub.rows("select id from device where key like %s", f"% {serial}")
    async with hub.store.transaction() as connection:
        rows = await stays(connection, device["id"])
    return [
        (row["kind"], row["value"], (row["first_at"] - NOON).days, (row["last_at"] - NOON).days)
        for row in rows
    ]


async def owners(hub: Hub) -> dict[str, list[datetime]]:
    """The instants of each device's reads, by serial; of those that are held by ""."""
    rows = await hub.rows(
        "select r.taken_at, case when e.device_id is null then '' else r.serial end as of"
        " from evidence e join read r on r.id = e.read_id order by r.taken_at"
    )
    found: dict[str, list[datetime]] = {}
    for row in rows:
        found.setdefault(row["of"], []).append(row["taken_at"])
    return found


# -- addresses --------------------------------------------------------------------------------


async def test_a_device_that_moved_keeps_its_reads_and_its_move_is_told(hub: Hub) -> None:
    await hub.send(on(1, OLD), on(2, OLD), on(3, OLD, at=9))

    assert await events(hub) == [
        ("moved", "serial HP CN00001", None, target(9).key, target(7).key),
    ]
    assert await standing(hub, "CN00001") == [
        ("mac", "00:1b:a9:00:00:01", 1, 3),
        ("snmp", target(7).key, 1, 2),
        ("snmp", target(9).key, 3, 3),
    ]
    assert await hub.number("select count(distinct device_id) from evidence") == 1


async def test_a_second_address_that_is_gone_again_is_no_move(hub: Hub) -> None:
    for read in (on(1, OLD), on(2, OLD), on(2, OLD, at=9), on(3, OLD), on(4, OLD)):
        await hub.send(read)

    assert await events(hub) == []
    assert await standing(hub, "CN00001") == [
        ("mac", "00:1b:a9:00:00:01", 1, 4),
        ("snmp", target(7).key, 1, 4),
        ("snmp", target(9).key, 2, 2),
    ]
    await hub.send(on(5, OLD, at=9))
    assert [kind for kind, *_ in await events(hub)] == ["moved"]


async def test_another_device_at_an_address_takes_nothing_of_the_one_before(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, OTHER))

    assert await events(hub) == [
        ("another_device", "serial HP CN00003", "serial HP CN00001", target(7).key, None),
    ]
    assert {serial: len(reads) for serial, reads in (await owners(hub)).items()} == {
        "CN00001": 1,
        "CN00003": 1,
    }


async def test_where_devices_stood_does_not_depend_on_the_order_of_arrival(hub: Hub) -> None:
    """As when an outage ends: reads of a week come late, from two spools."""
    reads = [on(1, OLD), on(2, OLD), on(3, OLD, at=9), on(3, OTHER), on(4, OLD)]
    told = []
    for number, order in enumerate(list(permutations(reads))[::17]):
        await add_customer(hub.store, f"Customer {number}")
        other = await hub.beside(f"branch-{number}", f"Customer {number}")
        for read in order:
            await other.send(read)
        told.append((await events(other), await _stays(other)))

    kinds = ["another_device", "moved", "moved", "another_device"]
    assert [kind for kind, *_ in told[0][0]] == kinds
    assert all(each == told[0] for each in told)


async def test_a_read_that_comes_late_does_not_hide_the_newer_mac_address(hub: Hub) -> None:
    """Else the device would be billed a second time when it hides its serial for once."""
    newer = OLD.model_copy(update={"mac": "00:1b:a9:00:00:99"})
    await hub.send(on(3, newer))
    await hub.send(on(1, OLD))

    await hub.send(on(4, newer.model_copy(update={"serial": None})))

    [held] = await hub.rows("select held_because from evidence where device_id is null")
    assert "its MAC address is that of serial number HP CN00001" in held["held_because"]


# -- one serial, one board --------------------------------------------------------------------


async def test_two_live_devices_with_one_serial_are_an_event_and_stand_nowhere(hub: Hub) -> None:
    twin = OLD.model_copy(update={"mac": "00:1b:a9:00:00:02"})
    for read in (on(1, OLD), on(2, OLD, at=9), on(2, twin, at=8)):
        await hub.send(read)

    [event] = await events(hub)
    assert event[:2] == ("twins", "serial HP CN00001")
    assert await standing(hub, "CN00001") == [
        ("mac", "00:1b:a9:00:00:01", 1, 1),
        ("snmp", target(7).key, 1, 1),
    ]


async def test_a_new_serial_on_the_mac_of_one_that_is_gone_waits_for_a_person(hub: Hub) -> None:
    """A new board may go on with the old counter or begin at 0: nobody but a person knows."""
    await hub.send(on(1, OLD), on(2, OLD))
    before = await owners(hub)
    await hub.send(on(3, NEW))
    await hub.send(on(4, NEW, at=9))

    found = await owners(hub)
    assert {"CN00001": found["CN00001"]} == before
    assert len(found[""]) == 2
    [row] = await hub.rows("select distinct held_because from evidence where device_id is null")
    assert "CN00002" in row["held_because"]
    assert "CN00001" in row["held_because"]
    assert await events(hub) == [
        ("board_replaced", "serial HP CN00002", "serial HP CN00001", None, None),
    ]


async def test_what_went_back_to_its_old_board_still_waits(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))
    await hub.send(on(3, OLD))
    await hub.send(on(4, NEW))

    assert {serial: len(reads) for serial, reads in (await owners(hub)).items()} == {
        "CN00001": 2,
        "": 2,
    }


@pytest.mark.parametrize("new_first", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
async def test_two_devices_behind_one_box_are_two_whichever_is_read_first(
    hub: Hub, at_once: bool, new_first: bool
) -> None:
    await hub.send(on(1, OLD))
    later = [on(2, NEW, at=8), on(2, OLD)] if new_first else [on(2, OLD), on(2, NEW, at=8)]
    for batch in [later] if at_once else [[one] for one in later]:
        await hub.send(*batch)

    assert {serial: len(reads) for serial, reads in (await owners(hub)).items()} == {
        "CN00001": 2,
        "CN00002": 1,
    }
    assert await events(hub) == []
    assert ("mac", OLD.mac, 2, 2) in await standing(hub, "CN00002")


async def test_one_behind_a_box_that_was_taken_for_a_new_board_gets_all_its_reads(
    hub: Hub,
) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW, at=8))
    await hub.send(on(3, NEW, at=8))
    await hub.send(on(4, NEW, at=8), on(4, OLD))

    assert {serial: len(reads) for serial, reads in (await owners(hub)).items()} == {
        "CN00001": 2,
        "CN00002": 3,
    }


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", None])
async def test_no_mac_address_is_no_sign_of_a_new_board(hub: Hub, mac: str | None) -> None:
    for day, device in ((1, OLD), (2, NEW)):
        await hub.send(on(day, device.model_copy(update={"mac": mac})))

    assert "" not in await owners(hub)


# -- what rounds say --------------------------------------------------------------------------


async def test_what_a_site_noticed_is_listed_as_its_word(hub: Hub) -> None:
    round_id = uuid4()
    noticed = DeviceEvent(kind="moved", target=target(9), before=target(7), serial="CN00001")
    await hub.send(round_finished(round_id, []).model_copy(update={"events": [noticed]}))

    assert await events(hub) == [("moved", "CN00001", None, target(9).key, target(7).key)]
    async with hub.store.transaction() as connection:
        shown = await device_events(connection, hub.site.customer_id, NOON - timedelta(1), 50)
    assert (shown.rows[0]["site"], shown.rows[0]["said_by"], shown.total) == ("hq", "site", 1)


async def test_what_answers_and_no_credential_fits_is_named_with_what_was_tried(
    hub: Hub,
) -> None:
    refused = NoCredential(
        target=target(5), tried=["head-office", "spare"], reason="it answers, and refuses"
    )
    done = round_finished(uuid4(), []).model_copy(update={"no_credential": [refused]})
    await hub.send(done)

    named = await _missing(hub, done.round)
    assert [dict(row) for row in named["no credential"].rows] == [
        {
            "target": target(5).key,
            "note": "it answers, and refuses; tried head-office, spare",
            "all_rows": 1,
        }
    ]


async def test_silence_is_listed_from_the_round_on_that_the_scope_says(hub: Hub) -> None:
    silent = [SilentDevice(target=target(n), silent_rounds=n) for n in range(1, 6)]
    done = round_finished(uuid4(), []).model_copy(update={"silent": silent})
    await hub.send(done)

    async def listed() -> list[str]:
        rows = (await _missing(hub, done.round))["silent"].rows
        return [row["note"] for row in rows]

    assert await listed() == [f"silent in {n} rounds" for n in (3, 4, 5)]
    for least in (1, 5):
        await set_scope(hub.store, hub.site.id, {"silent_after": least}, author="ann", now=NOON)
        assert await listed() == [f"silent in {n} rounds" for n in range(least, 6)]


async def test_a_list_of_segments_as_long_as_may_be_is_kept(hub: Hub) -> None:
    segments = [
        Segment(network=f"10.{n // 256}.{n % 256}.0/24", learned_from="gateway")
        for n in range(5000)
    ]
    listed = SegmentsListed(round=uuid4(), agent="agent-1", listed_at=NOON, segments=segments)

    assert await hub.send(listed) == ["accepted"]
    assert await hub.send(listed) == ["duplicate"]

    [row] = await hub.rows("select body from message")
    assert row["body"] == listed.to_json()


# -- what a spooler lists ---------------------------------------------------------------------


async def test_a_queue_that_nothing_tells_is_a_device_of_its_own_over_rounds(hub: Hub) -> None:
    queue = SpooledTarget(
        spooled=SpooledQueue(host="PC-7", queue="HL-2030", port_name="USB001", kind="usb")
    )
    for day in (1, 2):
        await hub.send(_queue_read(day, queue, DeviceIdentity(make="Brother")))

    [device] = await hub.rows("select key, held_because from device")
    assert device == {"key": "spooled hq pc-7/hl-2030", "held_because": None}
    assert await hub.number("select count(*) from evidence where device_id is not null") == 2


async def test_a_network_printer_that_a_spooler_lists_too_is_one_device(hub: Hub) -> None:
    queue = SpooledTarget(
        spooled=SpooledQueue(host="PC-7", queue="HP", port_name="IP_10.0.0.8", kind="tcp")
    )
    listed = DeviceIdentity(make="HP", model="HP LaserJet PCL6", serial="CN00001")
    await hub.send(on(1, OLD), _queue_read(1, queue, listed))
    await hub.send(_queue_read(2, queue, listed))

    assert await hub.number("select count(distinct device_id) from evidence") == 1
    assert await hub.number("select count(*) from evidence where device_id is null") == 0
    assert await events(hub) == []


# -- made anew --------------------------------------------------------------------------------


async def test_rebuilt_events_and_stays_are_those_that_were_there(hub: Hub) -> None:
    await hub.send(on(1, OLD), on(1, OTHER, at=8))
    await hub.send(on(2, OLD, at=9))
    await hub.send(on(3, NEW, at=9))
    noticed = DeviceEvent(kind="another_device", target=target(9), serial="CN00002")
    refused = NoCredential(target=target(5), tried=["spare"], reason="it refuses")
    done = round_finished(uuid4(), [])
    await hub.send(done.model_copy(update={"events": [noticed], "no_credential": [refused]}))
    tables = ("round_event", "round_name", "device_stay", "device_event", "evidence", "device")
    before = {table: await _all(hub, table) for table in tables}
    assert all(before.values())

    await hub.rows("delete from device_stay")
    await rebuild(hub.store, hub.site)
    assert {table: await _all(hub, table) for table in tables} == before

    await hub.rows("delete from evidence")
    await rebuild(hub.store, hub.site)
    assert {table: await _all(hub, table) for table in tables} == before


def _queue_read(day: int, queue: SpooledTarget, device: DeviceIdentity) -> MeterRead:
    return on(
        day,
        device,
        order=order_id(round_of(day), queue),
        target=queue,
        meters={},
        no_meters_because="a spooler's jobs are no meter",
    )


async def _missing(hub: Hub, round_id: UUID) -> dict[str, Any]:
    async with hub.store.transaction() as connection:
        return dict(
            await missing_names(connection, {"site_id": hub.site.id, "id": round_id}, limit=20)
        )


async def _stays(hub: Hub) -> list[tuple[object, ...]]:
    rows = await hub.rows(
        "select d.key, s.kind, s.value, s.model, s.first_at, s.last_at, s.instead_of"
        " from device_stay s join device d on d.id = s.device_id where s.site_id = %s"
        " order by 1, 2, 3, 5",
        hub.site.id,
    )
    return [tuple(row.values()) for row in rows]


async def _all(hub: Hub, table: str) -> list[str]:
    return sorted(str(row) for row in await hub.rows(f"select * from {table}"))
