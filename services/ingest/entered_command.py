"""`pagetally admin meter …`: meters that were read off a device by somebody."""

from __future__ import annotations

import argparse
import json
import sys
from uuid import UUID

from services.ingest.entered import Typed, author_of, enter, meters_of, take_back
from shared.person import name_of_user
from shared.store.entered import (
    EnteredMeter,
    Entry,
    MadeReport,
    entries_of,
    entries_with_id,
    reports_over,
)
from shared.store.postgres import Store

_MOST_LISTED = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("enter", help="what a device's counters showed")
    new.add_argument("place", metavar="SITE|CUSTOMER")
    new.add_argument("device", metavar="DEVICE", help="its serial number, or HOST/QUEUE")
    new.add_argument("meters", nargs="+", metavar="NAME=VALUE", help="such as total=48213")
    new.add_argument(
        "--at",
        required=True,
        metavar="INSTANT",
        help="2026-10-31T18:00 in the customer's time zone, or with an offset from UTC",
    )
    new.add_argument("--lower-because", metavar="TEXT", help="why a count is lower than before")
    new.add_argument("--instead-of", type=_id, metavar="ID", help="an entry that was wrong")
    new.set_defaults(do=_enter)
    back = verbs.add_parser("void", help="take back an entry that was wrong")
    back.add_argument("id", type=_id, metavar="ID")
    back.set_defaults(do=_void)
    for verb in (new, back):
        verb.add_argument("--author", metavar="NAME", help="default: who runs this")
        verb.add_argument("--reason", required=True, metavar="TEXT")
    rows = verbs.add_parser("list", help="the newest first")
    rows.add_argument("place", nargs="?", metavar="SITE|CUSTOMER", help="default: all")
    rows.add_argument("--json", action="store_true", help="one JSON object a line")
    rows.set_defaults(do=_list)


async def _enter(store: Store, args: argparse.Namespace) -> None:
    typed = Typed(meters_of(args.meters), args.at, args.lower_because, args.instead_of)
    author = author_of(args.author or name_of_user(), args.reason)
    await _tell(store, await enter(store, args.place, args.device, typed, author))


async def _void(store: Store, args: argparse.Namespace) -> None:
    author = author_of(args.author or name_of_user(), args.reason)
    await _tell(store, await take_back(store, args.id, author))


async def _list(store: Store, args: argparse.Namespace) -> None:
    async with store.transaction() as connection:
        entries = await entries_of(connection, args.place, _MOST_LISTED)
    for entry in entries:
        sys.stdout.write((_as_json(entry) if args.json else _as_text(entry)) + "\n")


async def _tell(store: Store, entered: EnteredMeter) -> None:
    async with store.transaction() as connection:
        made = set[MadeReport]()
        for concerned in filter(None, (entered.id, entered.replaces)):
            for entry in await entries_with_id(connection, concerned):
                made |= set(await reports_over(connection, entry))
    sys.stdout.write(f"{entered.id}  {entered.read_at:%Y-%m-%d %H:%M:%S} UTC  {entered.device}\n")
    for report in sorted(made, key=lambda report: (report.first, report.last)):
        sys.stdout.write(
            f"not in the report of {report.first} to {report.last}, made"
            f" {report.made_at:%Y-%m-%d %H:%M} UTC; `pagetally report` makes it again\n"
        )


def _as_json(entry: Entry) -> str:
    fields = entry.entered.model_dump(mode="json")
    replaced_by = str(entry.replaced_by) if entry.replaced_by else None
    return json.dumps(fields | {"replaced_by": replaced_by}, ensure_ascii=False)


def _as_text(entry: Entry) -> str:
    it = entry.entered
    meters = " ".join(f"{name}={count}" for name, count in it.meters.items()) or "nothing"
    words = [
        *(str(it.id), f"{it.read_at:%Y-%m-%d %H:%M:%S} UTC", it.site, it.device, meters),
        *(f"by {it.author}", it.reason),
    ]
    if it.replaces:
        words.append(f"instead of {it.replaces}")
    if entry.replaced_by:
        words.append(f"replaced by {entry.replaced_by}")
    return "\t".join(words)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no id of an entry") from None
