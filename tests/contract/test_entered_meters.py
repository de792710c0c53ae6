"""Meters entered by hand, from the command to the workbook's cell: nothing overwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.ingest.entered import instant_of
from services.ingest.ledger import Ledger
from services.ingest.sites import AdminError, Site, add_customer, add_site
from services.ingest.typed import rebuild
from services.poller.spooled import spooled_read
from shared.clock import utc_now
from shared.messages import (
    DeviceFound,
    DeviceIdentity,
    MeterRead,
    SpooledDevice,
    SpooledQueue,
    SpooledTarget,
    order_id,
)
from shared.store.entered import EnteredMeter
from shared.store.postgres import Store
from tests.contract.northwind import stored
from tests.contract.shop import Dealer, report
from tests.contract.test_corrections import rows
from tests.unit.ingest.batches import meter_read

SERIAL = "VB00001"
FORMULA = '=HYPERLINK("http://x","Dana")'


@pytest.fixture
async def site(store: Store) -> Site:
    await add_customer(store, "Acme", "Europe/Berlin")
    return await add_site(store, "Acme", "hq")


@pytest.fixture
def dealer(store_url: str, capsys: pytest.CaptureFixture[str]) -> Dealer:
    return Dealer(store_url, capsys)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(taken_at: str, total: int, **fields: Any) -> MeterRead:
    return meter_read(taken_at=at(taken_at), meters={"total": total}, **fields)


def attached(taken_at: str) -> MeterRead:
    """What a poller makes of a printer on somebody's USB port."""
    target = SpooledTarget(
        spooled=SpooledQueue(host="pc-7", queue="Desk", port_name="USB001", kind="usb")
    )
    round_id = UUID(int=int(at(taken_at).timestamp()))
    found = DeviceFound(
        order=order_id(round_id, target),
        round=round_id,
        target=target,
        found_by="spooler",
        read_before=at(taken_at) + timedelta(hours=1),
        spooled=SpooledDevice(make="Brother", model="HL-L2370", serial="E78098L9N"),
    )
    return spooled_read(found, target, "agent-1", at(taken_at))


async def enter(
    dealer: Dealer, *words: str, device: str = SERIAL, status: int = 0, author: str = "Dana"
) -> str:
    """The id of the entry; where it is refused, what is said."""
    who = ("--author", author, "--reason", "read off the panel")
    said = await dealer.run("admin", "meter", "enter", "hq", device, *who, *words, status=status)
    return said.split()[0] if status == 0 else said


async def row(store: Store, serial: str = SERIAL, period: str = "2024-10") -> Mapping[str, Any]:
    return (await report(store, "Acme", period))[serial]


async def test_an_attached_printer_is_billed_by_what_was_read_off_it(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [attached("2024-09-30T08:00"), attached("2024-10-31T08:00")])
    before = await row(store, "E78098L9N")

    await enter(dealer, "total=1000", "--at", "2024-09-30T18:00", device="E78098L9N")
    entry = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00", device="E78098L9N")

    assert (before["Status"], before["Current total"]) == ("no meters", None)
    assert "attached to pc-7 by USB; a spooler knows no page counts" in before["Note"]
    explained = await dealer.run("explain", before["Current read id"])
    assert "no meters: it is attached to pc-7 by USB" in explained
    after = await row(store, "E78098L9N")
    assert (after["Previous total"], after["Current total"], after["Pages total"]) == (
        *(1000, 1500),
        500,
    )
    assert (after["Status"], after["Source"], after["Profile"]) == ("ok", "entered", "entered@1")
    assert (after["Model"], after["Current read id"]) == ("HL-L2370", entry)
    assert after["Note"] == (
        "previous reading entered by hand by Dana; current reading entered by hand by Dana"
    )


async def test_an_entry_closes_the_month_of_a_device_that_fell_silent(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000), read("2024-10-20T20:00", 1400)])

    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    told = await row(store)
    assert (told["Pages total"], told["Status"]) == (500, "ok")
    assert told["Note"] == "current reading entered by hand by Dana"


async def test_a_read_after_an_entry_closes_the_month(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000), read("2024-10-31T20:00", 1520)])

    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    told = await row(store)
    assert (told["Pages total"], told["Note"], told["Source"]) == (520, None, "snmp")


async def test_a_device_was_there_when_somebody_read_its_meter(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-11-30T20:00", 1520)])

    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    assert (await row(store))["Current total"] == 1500
    november = await row(store, period="2024-11")
    assert (november["Pages total"], november["Status"]) == (20, "ok")


async def test_who_enters_is_told_which_reports_do_not_hold_it(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    for period in ("2024-09", "2024-10", "2024-11"):
        await report(store, "Acme", period)
    who = ("--author", "Dana", "--reason", "read off the panel")

    said = await dealer.run(
        *("admin", "meter", "enter", "hq", SERIAL, "total=1500", *who, "--at", "2024-10-31T18:00")
    )

    october, november = said.splitlines()[1:]
    assert october.startswith("not in the report of 2024-10-01 to 2024-10-31, made ")
    assert november.startswith("not in the report of 2024-11-01 to 2024-11-30, made ")


async def test_who_moves_an_entry_is_told_of_the_report_that_holds_the_wrong_one(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    who = ("--author", "Dana", "--reason", "read off the panel")
    words = ("admin", "meter", "enter", "hq", SERIAL, "total=1500", *who, "--at")
    wrong = (await dealer.run(*words, "2024-10-31T18:00")).split()[0]
    await report(store, "Acme", "2024-10")

    said = await dealer.run(*words, "2024-11-02T18:00", "--instead-of", wrong)

    [told] = said.splitlines()[1:]
    assert told.startswith("not in the report of 2024-10-01 to 2024-10-31, made ")


async def test_a_meter_that_was_not_entered_is_blank(
    store: Store, site: Site, dealer: Dealer
) -> None:
    first = meter_read(taken_at=at("2024-09-30T20:00"), meters={"total": 1000, "color": 10})
    await stored(store, site, [first])

    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    told = await row(store)
    assert (told["Pages total"], told["Pages color"], told["Current color"]) == (500, None, None)
    assert "color is not in the current reading" in told["Note"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("total=-1", "--at", "2024-10-31T18:00"), "a whole number of 0 or more"),
        (("total=1,500", "--at", "2024-10-31T18:00"), "a whole number of 0 or more"),
        (("total=٣", "--at", "2024-10-31T18:00"), "a whole number of 0 or more"),
        (("pages=7", "--at", "2024-10-31T18:00"), "'pages' is no meter"),
        (("total=7", "total=8", "--at", "2024-10-31T18:00"), "total is given twice"),
        (("total=1500", "--at", "2999-01-01T00:00"), "is in the future"),
        (("total=1500", "--at", "1999-12-31T00:00"), "is before 2000"),
        (("total=1500", "--at", "yesterday"), "is written 2026-10-31T18:00"),
        (("total=1500", "--at", "2024-10-27T02:30"), "clocks in Europe/Berlin were set"),
        (("total=999", "--at", "2024-10-31T18:00"), "999 is lower than the 1000 of 2024-10-01"),
        (("total=1001", "--at", "2024-09-30T18:00"), "1001 is higher than the 1000 of 2024-10-01"),
    ],
)
async def test_what_cannot_be_is_not_entered(
    store: Store, site: Site, dealer: Dealer, words: tuple[str, ...], reason: str
) -> None:
    await stored(store, site, [read("2024-10-01T08:00", 1000)])

    assert reason in await enter(dealer, *words, status=1)

    assert await rows(store, "select * from entered_meter") == []


@pytest.mark.parametrize("device", ["VB", "VB0000_", "%", "other"])
async def test_a_device_is_called_by_all_of_its_serial_number(
    store: Store, site: Site, dealer: Dealer, device: str
) -> None:
    await stored(store, site, [read("2024-10-01T08:00", 1000)])

    said = await enter(dealer, "total=1", "--at", "2024-10-31T18:00", device=device, status=1)

    assert f"hq has no device {device!r}" in said


async def test_a_count_that_fell_is_entered_with_why_and_still_bills_nothing(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])

    entry = await enter(
        *(dealer, "total=12", "--at", "2024-10-31T18:00", "--lower-because", "a new board")
    )

    told = await row(store)
    assert (told["Pages total"], told["Status"]) == (None, "counter event")
    assert "fell from 1000 to 12 (entered by hand by Dana)" in told["Note"]
    assert "  lower        a new board\n" in await dealer.run("explain", entry)


async def test_a_wrong_entry_is_replaced_by_a_later_one_that_names_it(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    when = ("--at", "2024-10-31T18:00")
    wrong = await enter(dealer, "total=15000", *when)

    twice = await enter(dealer, "total=1500", *when, status=1)
    right = await enter(dealer, "total=1500", *when, "--instead-of", wrong)
    again = await enter(dealer, "total=1600", *when, "--instead-of", wrong, status=1)

    assert f"--instead-of {wrong}" in twice
    assert f"is replaced already, by {right}" in again
    assert (await row(store))["Pages total"] == 500
    assert f"replaced by  {right}; it counts no more" in await dealer.run("explain", wrong)
    listed = await dealer.lines("admin", "meter", "list", "Acme")
    assert [(one["id"], one["replaces"], one["replaced_by"]) for one in listed] == [
        (right, wrong, None),
        (wrong, None, right),
    ]


async def test_an_entry_that_is_taken_back_counts_no_more(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    entry = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    await dealer.run("admin", "meter", "void", entry, "--reason", "it was the other printer")

    told = await row(store)
    assert (told["Status"], told["Current total"], told["Pages total"]) == ("missing", None, None)
    assert len(await rows(store, "select * from entered_meter")) == 2


async def test_a_month_that_was_billed_to_an_entry_taken_back_since_is_not_silently_billed_again(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    entry = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")
    assert (await row(store))["Pages total"] == 500
    await dealer.run("admin", "meter", "void", entry, "--reason", "it was the other printer")
    await stored(store, site, [read("2024-11-29T20:00", 1800)])

    told = await row(store, period="2024-11")

    assert told["Status"] != "ok"
    assert "counted to an entry of 2024-10-31" in told["Note"]


async def test_an_entry_of_another_device_is_not_replaced(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(
        store, site, [meter_read(number, taken_at=at("2024-10-01T08:00")) for number in (1, 2)]
    )
    entry = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    words = ("total=1500", "--at", "2024-10-31T18:00", "--instead-of", entry)

    assert "is of another device" in await enter(dealer, *words, device="VB00002", status=1)


async def test_entries_are_in_the_ledger_and_cannot_be_changed(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")
    await stored(store, site, [read("2024-11-30T20:00", 2000)])

    ledger = Ledger(0, b"")
    for one in await rows(
        store,
        "select ledger_no, body, digest from message union all"
        " select ledger_no, body, digest from entered_meter order by ledger_no",
    ):
        assert hashlib.sha256(one["body"]).digest() == one["digest"]
        ledger = ledger.after(one["digest"])
        assert one["ledger_no"] == ledger.length
    [head] = await rows(store, "select length, head from site_head")
    assert (head["length"], bytes(head["head"])) == (3, ledger.head)
    for statement in (
        "update entered_meter set author = 'x'",
        "delete from entered_meter",
        "truncate entered_meter",
    ):
        with pytest.raises(Exception, match="append-only"):
            await rows(store, statement)


async def test_an_entry_touches_no_read_and_rebuilt_rows_keep_it(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    reads = await rows(store, "select * from read"), await rows(store, "select * from message")
    await enter(dealer, "total=1500", "--at", "2024-10-31T18:00")

    await rebuild(store, site)

    assert (
        await rows(store, "select * from read"),
        await rows(store, "select * from message"),
    ) == reads
    assert (await row(store))["Pages total"] == 500


async def test_hostile_words_of_a_person_stay_words(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])

    entry = await enter(
        *(dealer, "total=1500", "--at", "2024-10-31T18:00"), author=f"{FORMULA}\x1b[31m\n\u202e"
    )

    told = await row(store)
    assert told["Note"] == f"current reading entered by hand by {FORMULA}[31m"
    said = await dealer.run("explain", entry)
    assert f"by hand by {FORMULA}[31m\n" in said
    assert not {"\x1b", "\u202e"} & set(said)


async def test_an_entry_is_explained_down_to_who_says_so(
    store: Store, site: Site, dealer: Dealer
) -> None:
    await stored(store, site, [read("2024-09-30T20:00", 1000)])
    entry = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00+01:00")

    said = await dealer.run("explain", entry, "total")

    assert "  billed as    serial KYOCERA VB00001\n" in said
    assert "UTC, by hand by Dana\n               read off the panel\n" in said
    assert "  showed at    2024-10-31 17:00:00 UTC\n" in said
    assert "total = 1500 impressions\n  as Dana says; no device told it\n" in said
    assert "it has total" in await dealer.run("explain", entry, "color", status=1)


async def test_a_device_whose_reads_are_held_gets_no_entry(
    store: Store, site: Site, dealer: Dealer
) -> None:
    twin = DeviceIdentity(make="Kyocera", model="M2", serial=SERIAL)
    round_id = UUID(int=9)
    when = at("2024-10-01T08:00")
    await stored(
        *(store, site, [meter_read(n, round_id, device=twin, taken_at=when) for n in (1, 2)])
    )

    said = await enter(dealer, "total=1500", "--at", "2024-10-31T18:00", status=1)

    assert "are held" in said


def test_an_entry_as_the_first_version_wrote_it_can_be_read_for_ever() -> None:
    body = """
        {"id":"11111111-1111-5111-8111-111111111111","site":"hq","device":"serial KYOCERA VB1",
         "read_at":"2024-10-31T17:00:00Z","entered_at":"2024-11-02T08:00:00Z","author":"Dana",
         "reason":"read off the panel","meters":{"total":1500},"units":{"total":"impressions"},
         "lower_because":null,"replaces":null}
    """

    kept = EnteredMeter.model_validate_json(body)

    assert json.loads(kept.model_dump_json()) == json.loads(body)


def test_an_instant_is_the_customers_unless_it_says_more() -> None:
    assert instant_of("2024-10-31T18:00", "Europe/Berlin") == at("2024-10-31T17:00")
    assert instant_of("2024-10-31 18:00:30-05:00", "Europe/Berlin") == at("2024-10-31T23:00:30")
    assert instant_of("2024-10-27T02:30+01:00", "Europe/Berlin") == at("2024-10-27T01:30")
    with pytest.raises(AdminError, match="were set"):
        instant_of("2024-03-31T02:30", "Europe/Berlin")
    assert instant_of("2024-10-31", "UTC") < utc_now()
