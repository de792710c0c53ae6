"""A dealer who types commands against one database, and what he has there."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.cli import main
from services.ingest.sites import Site
from services.poller.recognise import Profiles
from services.reporter.make import make_report
from services.reporter.period import month
from shared.clock import utc_now
from shared.store.deliveries import workbook_of
from shared.store.postgres import Store
from shared.store.reports import customer_named
from tests.contract import northwind
from tests.contract.northwind import BILLED, COLOR, LIFE, WITH_SERVICE, day, profiles_in, read_of

FIRST = day("2026-08-31")


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
        at = 1 if words[0] == "admin" else len(words)  # whose nouns take no option of it
        asked = [*words[:at], "--database", self._url, *words[at:]]
        done = await asyncio.to_thread(main, asked)
        out, faults = self._capsys.readouterr()
        assert done == status, faults
        return out + faults

    async def lines(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        said = await self.run(*words, "--json", status=status)
        return [json.loads(line) for line in said.splitlines()]


@dataclass
class Shop:
    """One customer with one site, whose devices were read with the wrong profile."""

    store: Store
    dealer: Dealer
    site: Site
    was: Path
    now: Path

    async def reads(self, *days: int, profiles: Path | None = None) -> None:
        await self._reads(profiles_in(profiles or self.was), days)

    async def reads_by_the_standard_profile(self, *days: int) -> None:
        await self._reads(profiles_in(None), days)

    async def _reads(self, known: Profiles, days: Iterable[int]) -> None:
        made = [read_of(known, 1, FIRST + timedelta(each), counters(1, each)) for each in days]
        await northwind.stored(self.store, self.site, made)

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
