"""A profile that was wrong for two months, and what `pagetally profiles` makes of it."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest

from services.cli import main
from services.ingest.corrections import write_corrections
from services.ingest.sites import Site, add_customer, add_site
from services.reporter.make import make_report
from services.reporter.period import month
from services.solo import profiles_command
from shared.clock import utc_now
from shared.store.deliveries import workbook_of
from shared.store.postgres import Store, StoreError
from shared.store.reports import customer_named
from tests.contract import northwind
from tests.contract.northwind import BILLED, COLOR, LIFE, WITH_SERVICE, day, profiles_in, read_of

_FIRST = day("2026-08-31")
_DAYS = (0, 29, 61)  # to 2026-10-31
_TIMES = [_FIRST + timedelta(days) for days in _DAYS]


def counters(number: int, days: int) -> dict[str, int]:
    """Of the `number`th device, some days after the first: more service where more is printed."""
    billed = 1000 * number + 10 * (number % 7 + 1) * days
    with_service = billed + 300 + days * (number % 3)
    return {BILLED: billed, WITH_SERVICE: with_service, COLOR: billed // 3, LIFE: with_service}


class Dealer:
    """Who types commands against one database."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._capsys = url, capsys

    async def run(self, *words: str, status: int = 0) -> str:
        self._capsys.readouterr()
        done = await asyncio.to_thread(main, [*words, "--database", self._url])
        out, faults = self._capsys.readouterr()
        assert done == status, faults
        return out + faults

    async def lines(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        said = await self.run(*words, "--json", status=status)
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture
def dealer(
    store_url: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Dealer:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path / "state"))
    return Dealer(store_url, capsys)


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
                counters(number, (at - _FIRST).days),
            )
            for at in _TIMES
            for number in numbers
        )
        await northwind.stored(store, site, reads)
    return sites


async def report(store: Store, customer: str, period: str) -> dict[str, dict[str, Any]]:
    """A report that is made now: its rows by serial."""
    async with store.transaction() as connection:
        known = await customer_named(connection, customer)
    assert known is not None
    made = await make_report(
        store,
        known,
        month(period, "UTC"),
        f"asked {utc_now().isoformat()}",
        utc_now(),
        mail_from="meters@dealer.example",
        mailed=False,
    )
    async with store.transaction() as connection:
        _, workbook = await workbook_of(connection, made)
    rows = openpyxl.load_workbook(io.BytesIO(workbook), read_only=True)["Meters"].values
    titles = [str(title) for title in next(rows)]
    found = [dict(zip(titles, row, strict=True)) for row in rows]
    return {str(row["Serial"]): row for row in found}


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
    store: Store, dealer: Dealer, tmp_path: Path
) -> None:
    """400 devices of two customers, both months reported: diff, apply, what changes, and why."""
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


# -- in small -----------------------------------------------------------------------------------


@dataclass
class Shop:
    """One customer with one site, whose devices were read with the wrong profile."""

    store: Store
    dealer: Dealer
    site: Site
    was: Path
    now: Path

    async def reads(self, *days: int, number: int = 1, profiles: Path | None = None) -> list[UUID]:
        known = profiles_in(profiles or self.was)
        made = [
            read_of(known, number, _FIRST + timedelta(each), counters(number, each))
            for each in days
        ]
        await northwind.stored(self.store, self.site, made)
        return [read.id for read in made]

    async def profiles(self, verb: str, *words: str, status: int = 0) -> list[dict[str, Any]]:
        asked = ("--was", str(self.was), "--from", "2026-08-01")
        return await self.dealer.lines("profiles", verb, *asked, *words, status=status)

    async def profiles_text(self, verb: str, *words: str, status: int) -> str:
        asked = ("--was", str(self.was), "--from", "2026-08-01")
        return await self.dealer.run("profiles", verb, *asked, *words, status=status)

    async def apply(self, folder: Path, *words: str, status: int = 0) -> dict[str, Any]:
        asked = ("--profiles", str(folder), "--yes")
        return (await self.profiles("apply", *asked, *words, status=status))[-1]

    async def totals(self) -> list[int]:
        async with self.store.transaction() as connection:
            cursor = await connection.execute(
                "select m.value from read r join meter m on m.read_id = r.id"
                " where m.name = 'total' order by r.taken_at"
            )
            return [row["value"] for row in await cursor.fetchall()]


@pytest.fixture
async def shop(store: Store, dealer: Dealer, tmp_path: Path) -> Shop:
    await add_customer(store, "Acme")
    site = await add_site(store, "Acme", "hq")
    folders = northwind.wrong(tmp_path / "was"), northwind.right(tmp_path / "now")
    return Shop(store, dealer, site, *folders)


async def test_a_correction_is_undone_by_the_profile_that_it_corrected(shop: Shop) -> None:
    await shop.reads(0, 10)
    as_read = await shop.totals()

    for folder in (shop.now, shop.was, shop.now):
        assert (await shop.apply(folder))["corrected"] == 2

    assert as_read == [1300, 1510]
    assert await shop.totals() == [1000, 1200]
    assert (await shop.apply(shop.was))["corrected"] == 2
    assert await shop.totals() == as_read


async def test_only_reads_of_the_days_asked_for_are_corrected(shop: Shop) -> None:
    await shop.reads(0, 1, 2, 3)

    applied = await shop.apply(shop.now, "--from", "2026-09-01", "--to", "2026-09-02")

    assert applied["corrected"] == 2
    assert await shop.totals() == [1300, 1020, 1040, 1363]


async def test_a_device_that_would_lose_a_meter_is_corrected_only_when_that_is_asked_for(
    shop: Shop,
) -> None:
    only_total = northwind.write_profile(shop.was, 1, {"total": WITH_SERVICE})
    await shop.reads(0, 10, profiles=only_total)

    left = await shop.apply(shop.now, status=1)
    after_refusal = await shop.totals()
    done = await shop.apply(shop.now, "--include-not-read")

    assert (left["corrected"], left["refused"], after_refusal) == (0, 1, [1300, 1510])
    assert (done["corrected"], done["refused"], await shop.totals()) == (2, 0, [])


async def test_a_volume_that_can_no_longer_be_told_is_blank_and_says_why(shop: Shop) -> None:
    """From the middle of a period on: its two readings do not count the same."""
    await shop.reads(0, 10, 29)
    await report(shop.store, "Acme", "2026-09")

    told = await shop.profiles(
        "apply", "--profiles", str(shop.now), "--yes", "--from", "2026-09-05"
    )

    [change] = [each for each in told if each["outcome"] == "volume"]
    assert (change["meter"], change["reported"], change["corrected"]) == ("total", 609, None)
    assert change["status"] == "changed"
    assert any("profile changed from northwind@1 to northwind@2" in it for it in change["notes"])


async def test_a_report_that_was_made_again_is_not_listed(shop: Shop) -> None:
    await shop.reads(0, 29)
    await report(shop.store, "Acme", "2026-09")
    await shop.apply(shop.now)
    await report(shop.store, "Acme", "2026-09")

    told = await shop.profiles("apply", "--profiles", str(shop.now), "--yes")

    assert [each["outcome"] for each in told] == ["applied"]


async def test_an_apply_that_broke_off_is_finished_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.reads(0, 10, 20, 29)
    await report(shop.store, "Acme", "2026-09")
    pages = iter([True, False])

    async def dies(*of: Any) -> int:
        if next(pages):
            return await write_corrections(*of)
        raise StoreError("database: gone")

    with monkeypatch.context() as patched:
        patched.setattr(profiles_command, "_AT_ONCE", 2)
        patched.setattr(profiles_command, "write_corrections", dies)
        await shop.profiles_text("apply", "--profiles", str(shop.now), "--yes", status=1)
    half = await shop.totals()
    told = await shop.profiles("apply", "--profiles", str(shop.now), "--yes")

    assert half == [1000, 1200, 1720, 1909]
    assert told[-1]["corrected"] == 2
    assert [(each["reported"], each["corrected"]) for each in told if each.get("meter") == "total"]
    assert await shop.totals() == [1000, 1200, 1400, 1580]


async def test_nothing_is_written_without_a_yes(shop: Shop) -> None:
    await shop.reads(0)

    said = await shop.profiles_text("apply", "--profiles", str(shop.now), status=2)

    assert "1 reads of 1 devices: needs --yes" in said
    assert await shop.totals() == [1300]


async def test_a_changed_profile_whose_version_was_not_raised_is_refused(shop: Shop) -> None:
    await shop.reads(0)
    same = northwind.write_profile(shop.now, 1, {"total": BILLED})

    said = await shop.profiles_text("diff", "--profiles", str(same), status=1)

    assert "two profiles are northwind@1: raise the version of one" in said


async def test_reads_of_profiles_that_are_not_asked_for_are_left_alone(shop: Shop) -> None:
    await shop.reads(0)

    [summary] = await shop.profiles("diff", "kyocera", "--profiles", str(shop.now))
    [again] = await shop.dealer.lines("profiles", "diff")  # northwind is not loaded

    assert (summary["reads"], again["reads"]) == (0, 0)


async def test_what_differs_is_told_in_words(shop: Shop) -> None:
    await shop.reads(0, 10)
    northwind.write_profile(shop.now, 2, {"total": BILLED, "color": COLOR})

    said = await shop.profiles_text("diff", "--profiles", str(shop.now), status=0)

    assert said == (
        "Acme / hq  Northwind NW00001  northwind@1 -> northwind@2\n"
        "  total        1300 -> 1000 on 2026-08-31, 1510 -> 1200 on 2026-09-10, in 2 reads\n"
        f"  color        not read: the row {COLOR} was not kept\n"
        "1 of 1 devices would differ, in 2 of 2 reads\n"
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("apply", "apply needs --from DAY"),
        (f"apply --from 2026-10-02 --reason {'x' * 1025}", "--reason has 1025 characters"),
        ("diff --from yesterday", "'yesterday' is no day; write it like 2026-10-15"),
        ("diff --from 2026-10-02 --to 2026-10-01", "ends before it begins"),
        ("diff nordwind", "no profile 'nordwind'; known: "),
        ("diff --profiles nowhere", "nowhere: holds no profile (*.yaml)"),
        ("list --profiles nowhere", "nowhere: holds no profile (*.yaml)"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    words: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles", *words.split()]) == 2

    said = capsys.readouterr().err
    assert (said.count("\n"), fault in said) == (1, True), said


def test_the_commands_of_the_docs_can_be_typed() -> None:
    page = Path(__file__).parents[2] / "docs" / "profiles.md"
    said = page.read_text(encoding="utf-8").partition("## When a profile was wrong")[2]
    parser = argparse.ArgumentParser()
    profiles_command.add_arguments(parser)
    verbs = [
        parser.parse_args(shlex.split(words)).verb
        for words in re.findall(r"pagetally profiles ([^`\n]+)", said)
    ]

    assert verbs == ["list", "diff", "apply", "apply"]


async def test_the_list_tells_built_in_profiles_from_own_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = northwind.right(tmp_path / "now")

    assert main(["profiles", "list", "--profiles", str(folder), "--json"]) == 0

    told = {line["profile"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert told["northwind@2"] == {
        "profile": "northwind@2",
        "where": str(folder),
        "meters": 2,
        "makers": ["Northwind"],
        "title": "Northwind",
    }
    assert told["kyocera@1"]["where"] == "built-in"
