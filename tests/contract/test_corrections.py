"""Corrections on a real PostgreSQL: appended, in the ledger, in force, beside what was read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.ingest.corrections import write_corrections
from services.ingest.explain import explain
from services.ingest.ledger import Ledger
from services.ingest.sites import Site, add_customer, add_site
from services.ingest.typed import rebuild
from shared.clock import utc_now
from shared.messages import MeterRead
from shared.store.corrections import Correction, as_they_were, kept_reads
from shared.store.postgres import Store
from shared.store.reports import StoredRead, device_reads, devices_of
from tests.contract.northwind import day, stored
from tests.unit.ingest.batches import LIFE_COUNT, NOON, meter_read

OTHER = "1.3.6.1.4.1.32473.7.2.1.0"
VARBINDS = {LIFE_COUNT: ("Counter32", 1001), OTHER: ("Counter32", 950)}


@pytest.fixture
async def site(store: Store) -> Site:
    await add_customer(store, "Acme")
    return await add_site(store, "Acme", "hq")


def correction(read: MeterRead, replaces: UUID | None = None, **fields: Any) -> Correction:
    """Of a read whose total is 950 in truth, and whose scans nobody can know."""
    replaces = replaces or read.id
    return Correction(
        **{
            "id": uuid5(replaces, "corrected"),
            "read": read.id,
            "read_digest": hashlib.sha256(read.to_json()).hexdigest(),
            "replaces": replaces,
            "profile": "northwind@2",
            "profile_digest": "00",
            "author": "Dana",
            "reason": "service pages were in the total",
            "corrected_at": day("2026-11-21"),
            "meters": {"total": 950},
            "no_meters_because": None,
            "notes": ["not read: scan: the row 1.3.9 was not kept"],
            "sources": {"total": [OTHER]},
            "basis": "life",
            "large_counts": 1,
            "units": {},
            **fields,
        }
    )


def test_a_correction_as_the_first_version_wrote_it_can_be_read_for_ever() -> None:
    body = """
        {"id":"11111111-1111-5111-8111-111111111111",
         "read":"22222222-2222-5222-8222-222222222222","read_digest":"00ff",
         "replaces":"22222222-2222-5222-8222-222222222222","profile":"northwind@2",
         "profile_digest":"0a","author":"Dana","reason":"service pages were in the total",
         "corrected_at":"2026-11-21T12:00:00Z","meters":{"total":950},"no_meters_because":null,
         "notes":["not read: scan: the row 1.3.9 was not kept"],"sources":{"total":["1.3.6.1.4"]},
         "basis":"life","large_counts":1,"units":{"total":"sheets"}}
    """

    kept = Correction.model_validate_json(body)

    assert json.loads(kept.model_dump_json()) == json.loads(body)


async def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    async with store.transaction() as connection:
        cursor = await connection.execute(sql.encode())
        return await cursor.fetchall() if cursor.description else []


async def in_force(store: Store) -> list[dict[str, Any]]:
    return await rows(
        store,
        "select r.profile, r.basis, r.large_counts, r.corrected_at is not null as corrected,"
        " m.name, m.value, m.unit from read r"
        " left join meter m on m.site_id = r.site_id and m.read_id = r.id order by r.id, m.name",
    )


AS_READ = {"profile": "rfc3805@1", "basis": None, "large_counts": None, "corrected": False}
CORRECTED = {"profile": "northwind@2", "basis": "life", "large_counts": 1, "corrected": True}
SCAN = {"name": "scan", "value": 7, "unit": "scans"}


def total(value: int) -> dict[str, Any]:
    return {"name": "total", "value": value, "unit": "impressions"}


async def test_a_correction_takes_the_place_of_all_meters_and_of_no_message(
    store: Store, site: Site
) -> None:
    read = meter_read()
    await stored(store, site, [read])
    messages = await rows(store, "select * from message")
    outcomes = await rows(store, "select * from outcome")

    assert await write_corrections(store, site, [correction(read)]) == 1

    assert await in_force(store) == [{**CORRECTED, **total(950)}]
    assert await rows(store, "select * from message") == messages
    assert await rows(store, "select * from outcome") == outcomes


async def test_what_is_replaced_once_is_not_replaced_again(store: Store, site: Site) -> None:
    read = meter_read()
    await stored(store, site, [read])
    same, other = correction(read), correction(read, id=UUID(int=1), meters={"total": 900})

    written = await asyncio.gather(
        *(write_corrections(store, site, [each]) for each in (same, same, other))
    )

    assert sorted(written) == [0, 0, 1]
    assert len(await rows(store, "select * from correction")) == 1


async def test_a_later_correction_supersedes_an_earlier_one_and_can_undo_it(
    store: Store, site: Site
) -> None:
    read = meter_read()
    await stored(store, site, [read])
    first = correction(read)
    undone = correction(
        read,
        first.id,
        profile=read.profile,
        meters=read.meters,
        sources=read.sources,
        basis=None,
        large_counts=None,
    )
    again = correction(read, undone.id)

    await write_corrections(store, site, [first])
    await write_corrections(store, site, [undone])
    after_undoing = await in_force(store)
    await write_corrections(store, site, [again])

    undone_row = AS_READ | {"corrected": True}
    assert after_undoing == [{**undone_row, **SCAN}, {**undone_row, **total(1001)}]
    assert await in_force(store) == [{**CORRECTED, **total(950)}]
    assert len(await rows(store, "select * from correction")) == 3


async def test_rebuilt_rows_keep_what_is_in_force(store: Store, site: Site) -> None:
    reads = [meter_read(number) for number in (1, 2, 3)]
    await stored(store, site, reads)
    first = [correction(read) for read in reads[:2]]
    await write_corrections(store, site, first)
    await write_corrections(store, site, [correction(reads[1], first[1].id, meters={"total": 1})])
    before = await in_force(store), await rows(store, "select * from read order by id")

    assert await rebuild(store, site) == 3

    assert (await in_force(store), await rows(store, "select * from read order by id")) == before


async def test_a_correction_is_in_the_ledger_of_its_site(store: Store, site: Site) -> None:
    reads = [meter_read(number) for number in (1, 2, 3)]
    await stored(store, site, reads[:2])
    await write_corrections(store, site, [correction(read) for read in reads[:2]])
    await stored(store, site, reads[2:])

    ledger = Ledger(0, b"")
    for row in await rows(
        store,
        "select ledger_no, body, digest from message union all"
        " select ledger_no, body, digest from correction order by ledger_no",
    ):
        assert hashlib.sha256(row["body"]).digest() == row["digest"]
        ledger = ledger.after(row["digest"])
        assert row["ledger_no"] == ledger.length
    [head] = await rows(store, "select length, head from site_head")
    assert (head["length"], bytes(head["head"])) == (5, ledger.head)


async def test_corrections_cannot_be_changed(store: Store, site: Site) -> None:
    read = meter_read()
    await stored(store, site, [read])
    await write_corrections(store, site, [correction(read)])

    for statement in (
        "update correction set author = 'x'",
        "delete from correction",
        "truncate correction",
    ):
        with pytest.raises(Exception, match="append-only"):
            await rows(store, statement)


async def test_ingest_goes_on_while_reads_are_corrected(store: Store, site: Site) -> None:
    reads = [meter_read(number) for number in range(1, 301)]
    await stored(store, site, reads[:200])

    await asyncio.gather(
        *(
            write_corrections(store, site, [correction(read) for read in reads[n : n + 50]])
            for n in range(0, 200, 50)
        ),
        *(stored(store, site, reads[n : n + 10]) for n in range(200, 300, 10)),
    )

    [head] = await rows(store, "select length from site_head")
    assert head == {"length": 500}
    assert [row["profile"] for row in await in_force(store)].count("northwind@2") == 200


async def test_reads_come_by_time_with_what_is_in_force(store: Store, site: Site) -> None:
    reads = [meter_read(number) for number in (1, 2, 3)]
    await stored(store, site, reads)
    await write_corrections(store, site, [correction(reads[0])])
    found, after = [], (NOON.replace(year=2000), UUID(int=0))
    while True:
        async with store.transaction() as connection:
            page = await kept_reads(connection, site.id, after, NOON.replace(year=2100), 2)
        if not page:
            break
        found += page
        after = page[-1].billed_at, page[-1].id

    assert [each.id for each in found] == sorted(read.id for read in reads)
    assert {each.id: each.correction for each in found if each.correction} == {
        reads[0].id: correction(reads[0])
    }
    assert [each.body for each in found if each.id == reads[1].id] == [reads[1].to_json()]


async def test_reads_can_be_had_as_they_were_before_they_were_corrected(
    store: Store, site: Site
) -> None:
    reads = [
        meter_read(1),
        meter_read(2, sources={"total": [OTHER]}, units={"total": "sheets"}),
        meter_read(3, meters={}, no_meters_because="no counter row"),
    ]
    await stored(store, site, reads)
    before, now = await stored_reads(store, site), utc_now()
    first = [correction(read, corrected_at=now + timedelta(1)) for read in reads[:2]]
    await write_corrections(store, site, first)
    between = await stored_reads(store, site)
    second = [correction(reads[0], first[0].id, meters={}, corrected_at=now + timedelta(3))]
    await write_corrections(store, site, second)
    after = await stored_reads(store, site)

    async with store.transaction() as connection:
        at_first, sources = await as_they_were(connection, after, now)
        after_one, _ = await as_they_were(connection, after, now + timedelta(2))
        too_early, _ = await as_they_were(connection, after, now - timedelta(1))

    assert list(at_first.values()) == before
    assert sources == {read.id: read.sources for read in reads[:2]}
    assert list(after_one.values()) == between
    assert too_early == {}


async def stored_reads(store: Store, site: Site) -> list[StoredRead]:
    async with store.transaction() as connection:
        span = NOON - timedelta(1), NOON
        devices = await devices_of(connection, site.customer_id, *span)
        found = device_reads(connection, site.customer_id, devices, *span, timedelta())
        return [read async for _, reads in found for read in reads]


async def test_explain_shows_the_correction_and_the_read_side_by_side(
    store: Store, site: Site
) -> None:
    read = meter_read(varbinds=VARBINDS)
    await stored(store, site, [read])
    await write_corrections(store, site, [correction(read)])

    told = "\n".join(await explain(store, read.id))

    assert (
        "  corrected    2026-11-21 12:00:00 UTC by Dana\n"
        "               profile northwind@2, ledger no. 2: service pages were in the total\n"
        "               not read: scan: the row 1.3.9 was not kept\n"
    ) in told
    assert (
        "total = 950 impressions, as read 1001 impressions\n"
        f"  corrected by northwind@2\n  {OTHER}  Counter32  950\n"
        f"  as read by rfc3805@1\n  {LIFE_COUNT}  Counter32  1001"
    ) in told
    assert "scan = not reported, as read 7 scans\n  as read by rfc3805@1\n" in told
