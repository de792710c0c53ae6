"""`pagetally admin …`: customers, sites and keys, who gets reports and when, backups."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from services.ingest.choosing_command import add_choosing
from services.ingest.device_command import add_arguments as add_device
from services.ingest.entered_command import add_arguments as add_meter
from services.ingest.keys_command import add_key_verbs
from services.ingest.late_command import add_arguments as add_late
from services.ingest.missing_command import add_arguments as add_missing
from services.ingest.missing_command import chosen_sites
from services.ingest.recipients import (
    add_recipient,
    add_schedule,
    recipients,
    remove_recipient,
    remove_schedule,
    schedules,
)
from services.ingest.rejected_command import add_arguments as add_rejected
from services.ingest.sites import (
    AdminError,
    add_customer,
    add_site,
    customers,
    one_line,
    site_named,
    sites,
)
from services.ingest.typed import rebuild
from shared.choosing import ChoiceError
from shared.clock import utc_now
from shared.person import name_of_user
from shared.settings import state_folder
from shared.store.backup import backup, restore
from shared.store.binaries import EmbeddedError
from shared.store.chosen import chosen_database
from shared.store.postgres import Store, StoreError, migrate, open_store
from shared.store.scope import ScopeError, newest_scope, set_scope

Arguments = argparse.Namespace
_Parser = argparse.ArgumentParser


def add_arguments(parser: _Parser) -> None:
    add_database(parser)
    nouns = parser.add_subparsers(dest="noun", required=True, metavar="WHAT")
    _add_customer(nouns.add_parser("customer", help="who is billed"))
    _add_site(nouns.add_parser("site", help="where devices are read, and its key"))
    _add_list(nouns.add_parser("recipient", help="who gets a customer's reports"), "address")
    _add_list(nouns.add_parser("schedule", help="when a customer's report is made"), "cron")
    add_meter(nouns.add_parser("meter", help="counts that somebody read off a device"))
    add_device(nouns.add_parser("device", help="devices whose reads are held"))
    add_late(nouns.add_parser("late", help="sites and services that are late, and why probably"))
    for verb, about in (("backup", "write all to a file"), ("restore", "fill an empty database")):
        chore = nouns.add_parser(verb, help=about)
        chore.add_argument("file", type=Path, metavar="FILE")
        chore.set_defaults(do=_backup if verb == "backup" else _restore)
    anew = nouns.add_parser("rebuild", help="make the typed rows anew from the messages")
    anew.add_argument("site", nargs="?", metavar="SITE", help="one site; default: all")
    anew.set_defaults(do=_rebuild)
    add_missing(nouns)
    add_rejected(nouns.add_parser("rejected", help="what was set aside, with its reason"))


def run_command(args: Arguments) -> int:
    def work(url: str) -> None:
        if args.do in (_backup, _restore):
            args.do(url, args)
        else:
            asyncio.run(_on_store(url, args))

    return on_database(args, work, make=args.do is _restore)


def add_database(parser: _Parser) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        help="default: PAGETALLY_DATABASE_URL, else the embedded one of this box",
    )


def on_database(args: Arguments, work: Callable[[str], None], *, make: bool = False) -> int:
    """Run `work` with the database's URL; a failure is one line on stderr and exit 1."""
    try:
        with chosen_database(args.database, state_folder(), make=make) as url:
            work(url)
    except (AdminError, EmbeddedError, ScopeError, StoreError, OSError) as error:
        print(f"pagetally: {one_line(error)}", file=sys.stderr)
        return 1
    except ChoiceError as error:
        for line in str(error).splitlines():
            print(f"pagetally: {line}", file=sys.stderr)
        return 1
    return 0


def _add_customer(parser: _Parser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--time-zone", default="UTC", metavar="ZONE", help="such as Europe/Berlin")
    add.set_defaults(do=_customer_add)
    _add_rows(verbs.add_parser("list"), customers)


def _add_site(parser: _Parser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add")
    add.add_argument("customer", metavar="CUSTOMER")
    add.add_argument("name", metavar="NAME")
    add.set_defaults(do=_site_add)
    _add_rows(verbs.add_parser("list"), sites)
    scope = verbs.add_parser("scope", help="show the scope, or set it from a JSON file")
    scope.add_argument("name", metavar="NAME")
    scope.add_argument("file", nargs="?", type=Path, metavar="FILE")
    scope.add_argument("--author", metavar="NAME", help="default: who runs this")
    scope.set_defaults(do=_site_scope)
    add_key_verbs(verbs.add_parser)
    add_choosing(verbs.add_parser)


def _add_list(parser: _Parser, what: str) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    acts = {
        "address": (add_recipient, remove_recipient, recipients),
        "cron": (add_schedule, remove_schedule, schedules),
    }
    add, remove, rows = acts[what]
    for verb, act in (("add", add), ("remove", remove)):
        one = verbs.add_parser(verb)
        one.add_argument("customer", metavar="CUSTOMER")
        one.add_argument("what", metavar=what.upper())
        one.set_defaults(do=_listed(act))
    _add_rows(verbs.add_parser("list"), rows)


def _add_rows(parser: _Parser, rows: Callable[[Store], Awaitable[list[dict[str, Any]]]]) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")

    async def show(store: Store, args: Arguments) -> None:
        for row in await rows(store):
            if args.json:
                print(json.dumps(row, default=str, ensure_ascii=False))
            else:
                print("\t".join("-" if value is None else str(value) for value in row.values()))

    parser.set_defaults(do=show)


async def _on_store(url: str, args: Arguments) -> None:
    async with open_store(url, 1) as store:
        await args.do(store, args)


def _listed(act: Callable[[Store, str, str], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def do(store: Store, args: Arguments) -> None:
        await act(store, args.customer, args.what)

    return do


async def _customer_add(store: Store, args: Arguments) -> None:
    await add_customer(store, args.name, args.time_zone)


async def _site_add(store: Store, args: Arguments) -> None:
    await add_site(store, args.customer, args.name)


async def _site_scope(store: Store, args: Arguments) -> None:
    site = await site_named(store, args.name)
    if args.file is None:
        async with store.transaction() as connection:
            newest = await newest_scope(connection, site.id)
        print(newest[1].decode() if newest else f"no scope has been set for site {site.name}")
        return
    try:
        fields = json.loads(args.file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AdminError(f"{args.file}: not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise AdminError(f"{args.file}: holds no JSON object")
    author = args.author or name_of_user()
    scope = await set_scope(store, site.id, fields, author=author, now=utc_now())
    print(f"scope {scope.version} of site {site.name}")


async def _rebuild(store: Store, args: Arguments) -> None:
    for site in await chosen_sites(store, args.site):
        print(f"{site.name}\t{await rebuild(store, site)} messages")


def _backup(url: str, args: Arguments) -> None:
    backup(url, args.file)


def _restore(url: str, args: Arguments) -> None:
    restore(url, args.file)
    asyncio.run(migrate(url))  # a backup may be older than this Pagetally
