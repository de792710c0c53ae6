"""`pagetally profiles`, as it is typed: what it corrects, refuses, leaves alone and says."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli import main
from services.ingest.corrections import write_corrections
from services.ingest.sites import add_customer, add_site
from services.solo import profiles_command
from shared.clock import utc_now
from shared.store.postgres import Store, StoreError
from tests.contract import northwind
from tests.contract.northwind import BILLED, COLOR, WITH_SERVICE
from tests.contract.shop import Dealer, Shop, report


@pytest.fixture
async def shop(
    store: Store, store_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shop:
    await add_customer(store, "Acme")
    site = await add_site(store, "Acme", "hq")
    folders = northwind.wrong(tmp_path / "was"), northwind.right(tmp_path / "now")
    return Shop(store, Dealer(store_url, capsys), site, *folders)


async def test_a_correction_is_undone_by_the_profile_that_it_corrected(shop: Shop) -> None:
    await shop.reads(0, 10)
    as_read = await shop.totals()

    for folder in (shop.now, shop.was, shop.now):
        assert (await shop.apply(folder))["corrected"] == 2

    assert as_read == [1300, 1510]
    assert await shop.totals() == [1000, 1200]
    assert (await shop.apply(shop.was))["corrected"] == 2
    assert await shop.totals() == as_read


async def test_what_was_read_by_another_profile_is_undone_by_that_one(shop: Shop) -> None:
    await shop.reads_by_the_standard_profile(0, 10)
    as_read = await shop.totals()
    await shop.apply(shop.now, "--include-not-read")
    corrected = await shop.totals()

    undone = await shop.profiles("apply", "rfc3805", "--was", str(shop.now), "--yes")

    assert (as_read, corrected, undone[-1]["corrected"]) == ([1300, 1510], [], 2)
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


async def test_a_read_that_came_after_the_report_is_no_correction_of_it(shop: Shop) -> None:
    await shop.reads(0, 20)
    await report(shop.store, "Acme", "2026-09")
    await shop.reads(25)

    told = await shop.profiles("apply", "--profiles", str(shop.now), "--yes")

    [change] = [each for each in told if each["outcome"] == "volume" and each["meter"] == "total"]
    assert (change["reported"], change["corrected"], change["difference"]) == (420, 400, -20)


async def test_a_slow_clock_where_it_is_typed_hides_no_report(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = utc_now() - timedelta(minutes=5)
    monkeypatch.setattr(profiles_command, "utc_now", lambda: slow, raising=False)
    await shop.reads(0, 29)
    await report(shop.store, "Acme", "2026-09")

    told = await shop.profiles("apply", "--profiles", str(shop.now), "--yes")

    assert [each["meter"] for each in told if each["outcome"] == "volume"] == ["total", "service"]


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


async def test_a_read_that_comes_while_it_asks_and_would_lose_a_meter_is_left_alone_and_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.reads(0, 10)
    loop = asyncio.get_running_loop()

    def yes(*of: Any) -> bool:
        late = shop.reads_by_the_standard_profile(20)
        asyncio.run_coroutine_threadsafe(late, loop).result(30)
        return True

    monkeypatch.setattr(profiles_command, "_agreed", yes)
    told = await shop.profiles("apply", "--profiles", str(shop.now), status=1)

    [left] = [each for each in told if each["outcome"] == "refused"]
    assert (left["lost"], told[-1]["corrected"], told[-1]["refused"]) == (["total"], 2, 1)
    assert await shop.totals() == [1000, 1200, 1720]


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

    assert verbs == ["list", "diff", "apply", "apply", "apply"]


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
