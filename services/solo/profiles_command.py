"""`pagetally profiles`: which there are, what stored reads would say by changed ones, and making
that so."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from services.ingest.command import add_database, on_database
from services.ingest.corrections import write_corrections
from services.ingest.sites import AdminError, Site
from services.poller.profile import ProfileError, load_profiles
from services.poller.settings import PollerSettings
from services.reporter.changes import volume_changes
from services.reporter.period import PeriodError, days
from services.solo.profiles_told import Told
from services.solo.replaying import (
    Changed,
    Difference,
    Differences,
    Key,
    changed_profiles,
    difference,
    key_of,
)
from shared.person import name_of_user
from shared.settings import settings_or_exit
from shared.store.corrections import (
    SiteOfCustomer,
    hub_clock,
    kept_reads,
    sites_by_customer,
)
from shared.store.postgres import Store, open_store

_AT_ONCE = 500
_LONGEST = 1000  # of a reason or an author
_EARLIEST, _LATEST = "1990-01-01", "2199-12-30"  # days that a period may have


class _AskedWrongError(Exception):
    """What was typed cannot be done; exit 2."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, about in (
        ("list", "the profiles that there are"),
        ("diff", "what stored reads would say by changed profiles; nothing is written"),
        ("apply", "correct stored reads by changed profiles; what was stored stays"),
    ):
        act = verbs.add_parser(verb, help=about, description=about, allow_abbrev=False)
        act.add_argument(
            "--profiles",
            type=Path,
            metavar="DIR",
            help="profiles beside the built-in ones; default: POLLER_PROFILES",
        )
        act.add_argument("--json", action="store_true", help="one JSON object a line")
        if verb != "list":
            _add_reads(act)
        if verb == "apply":
            _add_correcting(act)


def _add_reads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="PROFILE", help="default: those of DIR; without it, all"
    )
    parser.add_argument(
        "--was",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="profiles as they were when the reads were made",
    )
    parser.add_argument("--from", dest="first", metavar="DAY", help="such as 2026-09-01")
    parser.add_argument("--to", dest="last", metavar="DAY", help="this day included")
    add_database(parser)


def _add_correcting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--include-not-read",
        action="store_true",
        help="also devices that would lose a meter, because a row was not kept",
    )
    parser.add_argument("--reason", metavar="TEXT", help="kept with each correction")
    parser.add_argument("--author", metavar="NAME", help="default: who runs this")


def run_command(args: argparse.Namespace) -> int:
    folder = args.profiles or settings_or_exit(PollerSettings).profiles
    try:
        if args.verb == "list":
            return _list(folder, as_json=args.json)
        if args.verb == "apply":
            _check_correcting(args)
        days(args.first or _EARLIEST, args.last or _LATEST, "UTC")
        changed = changed_profiles(args.names, folder, args.was)
    except (ProfileError, PeriodError, _AskedWrongError) as error:
        sys.stderr.write(f"pagetally profiles: {error}\n")
        return 2
    status = 0

    def work(url: str) -> None:
        nonlocal status
        status = asyncio.run(_Run(args, changed).run(url))

    failed = on_database(args, work)
    return failed or status


def _check_correcting(args: argparse.Namespace) -> None:
    if not args.first:
        raise _AskedWrongError("apply needs --from DAY")
    for option, said in (("--reason", args.reason), ("--author", args.author)):
        if len(said or "") > _LONGEST:
            raise _AskedWrongError(f"{option} has {len(said)} characters; at most {_LONGEST}")


def _list(folder: Path | None, *, as_json: bool) -> int:
    own = {file.stem for file in folder.glob("*.yaml")} if folder else set()
    loaded = load_profiles(*([folder] if folder else []))
    for name, profile in sorted(loaded.items()):
        makers = list(dict.fromkeys(match.make for match in profile.match if match.make))
        said: dict[str, Any] = {
            "profile": profile.label,
            "where": str(folder) if name in own else "built-in",
            "meters": len(profile.meters),
            "makers": makers,
            "title": profile.title,
        }
        if as_json:
            line = json.dumps(said, ensure_ascii=False)
        else:
            shown = ", ".join(makers) or profile.title
            line = f"{profile.label:<16} {said['where']:<10} {said['meters']:>3} meters  {shown}"
        sys.stdout.write(line + "\n")
    return 0


class _Run:
    """One diff or apply."""

    def __init__(self, args: argparse.Namespace, changed: Changed) -> None:
        self._args, self._changed = args, changed
        self._told = Told(as_json=args.json)

    async def run(self, url: str) -> int:
        async with open_store(url, 2) as store:
            try:
                return await self._run(store)
            except (ProfileError, PeriodError) as error:
                raise AdminError(str(error)) from None

    async def _run(self, store: Store) -> int:
        found = await self._look(store)
        self._told.devices(found)
        if self._args.verb == "diff":
            self._told.summary(found)
            return 0
        return await self._apply(store, found)

    async def _look(self, store: Store) -> Differences:
        found = Differences()
        for site in await _sites(store):
            async for page in self._pages(store, site):
                for one in page:
                    found.add(site, one)
        return found

    async def _apply(self, store: Store, found: Differences) -> int:
        args = self._args
        refused = set() if args.include_not_read else found.losing
        reads, devices = found.to_correct(refused)
        if reads and not args.yes and not _agreed(reads, devices):
            return 2
        written = await self._write(store, found, refused) if reads else 0
        starts = [self._span(site.customer.zone)[0] for site in await _sites(store)]
        if starts:
            async for change in volume_changes(store, min(starts)):
                self._told.change(change)
        self._told.applied(found, refused, written)
        return 1 if refused else 0

    async def _write(self, store: Store, found: Differences, refused: set[Key]) -> int:
        """The reads are looked at again: more may have come, and each page is one transaction.

        A device of which one that came meanwhile would lose a meter is refused from there on.
        """
        args, written = self._args, 0
        author = args.author or name_of_user()
        names = " ".join(sorted(self._changed.names))
        reason = args.reason or f"profiles apply {names} --from {args.first}"[:_LONGEST]
        for site in await _sites(store):
            async for page in self._pages(store, site):
                async with store.transaction() as connection:
                    now = await hub_clock(connection)  # tells whether a report was made before
                fresh = []
                for one in page:
                    key = key_of(one.kept, one.read)
                    if one.lost and not args.include_not_read and key not in refused:
                        found.add(site, one)
                        refused.add(key)
                    if one.differs and key not in refused:
                        fresh.append(one.correction(author, reason, now))
                if fresh:
                    written += await write_corrections(
                        store, Site(site.id, site.name, site.customer.id), fresh
                    )
        return written

    async def _pages(self, store: Store, site: SiteOfCustomer) -> AsyncIterator[list[Difference]]:
        """A site's reads by time, some at once; no transaction is open while they are looked at."""
        start, end = self._span(site.customer.zone)
        after = start, UUID(int=0)
        while True:
            async with store.transaction() as connection:
                page = await kept_reads(connection, site.id, after, end, _AT_ONCE)
            if not page:
                return
            after = page[-1].billed_at, page[-1].id
            found = (difference(kept, self._changed) for kept in page)
            yield [one for one in found if one is not None]

    def _span(self, zone: str) -> tuple[datetime, datetime]:
        """From the first day's first instant to the end of the last, in the customer's zone."""
        asked = days(self._args.first or _EARLIEST, self._args.last or _LATEST, zone)
        return asked.start, asked.end


async def _sites(store: Store) -> list[SiteOfCustomer]:
    async with store.transaction() as connection:
        return await sites_by_customer(connection)


def _agreed(reads: int, devices: int) -> bool:
    asked = f"Correct {reads} reads of {devices} devices? What was stored stays. [y/N] "
    if not sys.stdin.isatty():
        sys.stderr.write(f"pagetally profiles: {reads} reads of {devices} devices: needs --yes\n")
        return False
    sys.stderr.write(asked)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
