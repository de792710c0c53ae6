"""A profile that was wrong for two months: what `pagetally profiles` makes of it, and a report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.ingest.sites import Site, add_customer, add_site
from shared.clock import utc_now
from shared.store.postgres import Store
from tests.contract import northwind
from tests.contract.northwind import BILLED, WITH_SERVICE, profiles_in, read_of
from tests.contract.shop import FIRST, Dealer, counters, report

_DAYS = (0, 29, 61)  # to 2026-10-31
_TIMES = [FIRST + timedelta(days) for days in _DAYS]


async def filled(store: Store, profiles: Path) -> dict[str, Site]:
    """Two customers: 240 and 160 devices, the last five of which an agent without profiles read."""
    sites = {}
    for customer, numbers in (("Acme", range(240)), ("Bolt", range(240, 400))):
        await add_customer(store, customer)
        sites[customer] = site = await add_site(store, customer, customer.lower())
        known, unknown = profiles_in(profiles), profiles_in(None)
        reads = (
            read_of(
                unknown if number >= 395 else known,
                number,
                at,
                counters(number, (at - FIRST).days),
            )
            for at in _TIMES
            for number in numbers
        )
        await northwind.stored(store, site, reads)
    return sites


async def truth(store: Store) -> tuple[str, int]:
    """A digest over all messages, which nothing may change, and the length of the ledgers."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select body, digest from message order by site_id, ledger_no"
        )
        digest = northwind.digests(await cursor.fetchall())
        cursor = await connection.execute("select sum(length)::int as length from site_head")
        row = await cursor.fetchone()
    return digest, (row or {})["length"]


async def test_a_profile_that_was_wrong_for_two_months_is_corrected(
    store: Store, store_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """400 devices of two customers, both months reported: diff, apply, what changes, and why."""
    dealer = Dealer(store_url, capsys)
    was, now = northwind.wrong(tmp_path / "was"), northwind.right(tmp_path / "now")
    await filled(store, was)
    for customer in ("Bolt", "Acme"):
        for period in ("2026-09", "2026-10"):
            reported = await report(store, customer, period)
    stored = await truth(store)
    asked = ("--profiles", str(now), "--was", str(was), "--from", "2026-08-31")

    *differ, summary = await dealer.lines("profiles", "diff", *asked)

    assert summary == {
        "outcome": "summary",
        "devices": 400,
        "differ": 400,
        "losing": 5,
        "reads": 1200,
        "reads_that_differ": 1200,
    }
    one = of("NW00005", differ)
    assert (one["customer"], one["profile_was"], one["profile"]) == (
        "Acme",
        "northwind@1",
        "northwind@2",
    )
    assert one["meters"]["total"] == {
        "reads": 3,
        "first": {"at": "2026-08-31T12:00:00+00:00", "was": 5300, "now": 5000},
        "last": {"at": "2026-10-31T12:00:00+00:00", "was": 9082, "now": 8660},
    }
    unkept = of("NW00399", differ)
    assert (unkept["lost"], unkept["not_read"]["total"]) == (["total"], BILLED)
    assert await truth(store) == stored

    *told, applied = await dealer.lines("profiles", "apply", *asked, "--yes", status=1)

    assert (applied["corrected"], applied["refused"]) == (395 * 3, 5)
    totals = [each for each in told if each["outcome"] == "volume" and each["meter"] == "total"]
    # of every third device no service pages were printed
    assert {(each["customer"], each["period"], each["serial"]) for each in totals} == {
        ("Acme" if number < 240 else "Bolt", period, f"NW{number:05}")
        for number in range(395)
        if number % 3
        for period in ("2026-09", "2026-10")
    }
    five = of("NW00005", [each for each in totals if each["period"] == "2026-10"])
    assert (five["reported"], five["corrected"], five["difference"]) == (1984, 1920, -64)
    assert reported["NW00005"]["Pages total"] == 1984
    sums = {
        (each["customer"], each["period"]): each["corrected"] - each["reported"]
        for each in told
        if each["outcome"] == "period" and each["meter"] == "total"
    }
    assert sums == {
        (customer, period): -days * sum(number % 3 for number in numbers)
        for customer, numbers in (("Acme", range(240)), ("Bolt", range(240, 395)))
        for period, days in (("2026-09", 29), ("2026-10", 32))
    }
    assert await truth(store) == (stored[0], stored[1] + 395 * 3)

    *told, applied = await dealer.lines("profiles", "apply", *asked, "--yes", status=1)

    assert applied["corrected"] == 0
    assert len([each for each in told if each["outcome"] == "volume"]) > len(totals)
    assert await truth(store) == (stored[0], stored[1] + 395 * 3)

    anew = (await report(store, "Acme", "2026-10"))["NW00005"]

    assert (anew["Pages total"], anew["Status"], anew["Profile"]) == (1920, "ok", "northwind@2")
    today = f"{utc_now():%Y-%m-%d}"
    assert anew["Note"] == (
        f"previous reading corrected on {today}: profile northwind@2;"
        f" current reading corrected on {today}: profile northwind@2"
    )
    said = await dealer.run("explain", str(anew["Current read id"]), "total")
    assert "total = 8660 impressions, as read 9082 impressions\n" in said
    assert f"  corrected by northwind@2\n  {BILLED}  Counter32  8660\n" in said
    assert f"  as read by northwind@1\n  {WITH_SERVICE}  Counter32  9082\n" in said


def of(serial: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    [line] = [each for each in lines if each.get("serial") == serial]
    return line
