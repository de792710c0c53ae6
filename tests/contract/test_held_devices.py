"""What a person decides of devices whose reads are held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from services.ingest.decide import held_devices, release
from services.ingest.entered import author_of
from services.ingest.ledger import Ledger
from services.ingest.sites import AdminError
from services.ingest.typed import rebuild
from shared.messages import DeviceIdentity
from shared.store.postgres import Store
from tests.contract.shop import Dealer
from tests.contract.test_device_events import NEW, OLD, on
from tests.contract.test_ingest import Hub, a_hub

ANN = author_of("ann", "the technician's report of 3 November")


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


async def held_id(hub: Hub) -> int:
    [held] = await held_devices(hub.store)
    return int(held["id"])


async def billed(hub: Hub) -> dict[str, int]:
    """Reads by the key of the device that they are billed as; of those that are held by ""."""
    rows = await hub.rows(
        "select coalesce(d.key, '') as key, count(*) as reads"
        " from evidence e left join device d on d.id = e.device_id group by 1"
    )
    return {row["key"]: row["reads"] for row in rows}


async def test_a_new_board_is_a_device_of_its_own_from_its_first_read_on(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))

    said = await release(hub.store, await held_id(hub), ANN, None)
    await hub.send(on(3, NEW))

    assert said == "a device of its own, from its first read on"
    expected = {"serial HP CN00001": 1, "serial HP CN00002": 2}
    assert await billed(hub) == expected
    await rebuild(hub.store, hub.site)
    assert await billed(hub) == expected
    [row] = await hub.rows("select author, reason, held_as from decision")
    assert row == {"author": "ann", "reason": ANN.reason, "held_as": "board_replaced"}


async def test_what_two_devices_showed_stays_held_and_what_one_shows_later_is_its_own(
    hub: Hub,
) -> None:
    twin = OLD.model_copy(update={"mac": "00:1b:a9:00:00:02"})
    await hub.send(on(1, OLD))
    await hub.send(on(2, OLD), on(2, twin, at=8))
    await hub.send(on(3, OLD))

    await release(hub.store, await held_id(hub), ANN, None)
    await hub.send(on(4, OLD))

    assert await billed(hub) == {"serial HP CN00001": 2, "": 3}


async def test_a_device_that_went_to_another_site_belongs_there_from_now_on(hub: Hub) -> None:
    branch = await hub.beside("branch")
    await hub.send(on(1, OLD))
    await branch.send(on(2, OLD))
    device = await held_id(hub)
    with pytest.raises(AdminError, match="--site says where"):
        await release(hub.store, device, ANN, None)

    await release(hub.store, device, ANN, "branch")
    await branch.send(on(3, OLD))

    assert await held_devices(hub.store) == []
    assert await billed(hub) == {"serial HP CN00001": 2, "": 1}


async def test_reads_that_were_held_come_to_a_report_when_they_are_given_back(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))
    [made] = await hub.rows("select clock_timestamp() as at")

    await release(hub.store, await held_id(hub), ANN, None)

    came = {row["serial"]: row["received_at"] for row in await hub.rows("table placed_read")}
    assert came["CN00001"] < made["at"] < came["CN00002"]


async def test_two_devices_at_another_site_than_the_held_one_give_nothing_back(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))
    held = await held_id(hub)
    branch = await hub.beside("branch")

    await branch.send(on(3, OLD), on(3, NEW, at=8))
    await release(hub.store, held, ANN, None)

    assert (await billed(hub))["serial HP CN00002"] == 1


async def test_a_serial_written_in_two_ways_in_one_round_is_not_billed_twice(hub: Hub) -> None:
    again = OLD.model_copy(update={"serial": "00CN00001"})

    await hub.send(on(1, OLD), on(1, again, at=8))
    await hub.send(on(2, OLD), on(2, again, at=8))

    assert await billed(hub) == {"serial HP CN00001": 2, "": 2}


async def test_only_a_device_that_is_held_can_be_released(hub: Hub) -> None:
    await hub.send(on(1, DeviceIdentity(make="HP", serial="CN00001")))
    [device] = await hub.rows("select id from device")

    with pytest.raises(AdminError, match=f"no device {device['id']} is held"):
        await release(hub.store, device["id"], ANN, None)


async def test_a_decision_is_in_the_ledger_of_its_site(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))
    await release(hub.store, await held_id(hub), ANN, None)

    [row] = await hub.rows("select ledger_site_id, ledger_no, body, digest from decision")
    [head] = await hub.rows("select length, head from site_head")
    messages = await hub.rows("select digest from message order by ledger_no")
    ledger = Ledger(0, b"")
    for each in [*messages, row]:
        ledger = ledger.after(bytes(each["digest"]))
    assert (row["ledger_site_id"], row["ledger_no"]) == (hub.site.id, 3)
    assert sha256(row["body"]).digest() == row["digest"]
    assert json.loads(row["body"])["reason"] == ANN.reason
    assert (head["length"], head["head"]) == (ledger.length, ledger.head)


async def test_a_decision_cannot_be_changed(hub: Hub) -> None:
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))
    await release(hub.store, await held_id(hub), ANN, None)

    for change in ("update decision set author = 'bob'", "delete from decision"):
        with pytest.raises(Exception, match="append-only"):
            await hub.rows(change)


async def test_what_is_held_is_listed_and_released_by_command(
    hub: Hub, store_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dealer = Dealer(store_url, capsys)
    await hub.send(on(1, OLD))
    await hub.send(on(2, NEW))

    [held] = await dealer.lines("admin", "device", "held")
    why = ("--author", "ann", "--reason", "a new board, counted from 0")
    said = await dealer.run("admin", "device", "release", str(held["id"]), *why)
    again = await dealer.run("admin", "device", "release", str(held["id"]), *why, status=1)

    assert (held["key"], held["instead_of"]) == ("serial HP CN00002", "serial HP CN00001")
    assert "was its board replaced?" in held["held_because"]
    assert said == f"{held['id']}: a device of its own, from its first read on\n"
    assert "see pagetally admin device held" in again
