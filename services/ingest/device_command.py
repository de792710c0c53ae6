"""`pagetally admin device …`: devices whose reads are held, and what a person decides of them."""

from __future__ import annotations

import argparse
import json
import sys

from services.ingest.decide import held_devices, release
from services.ingest.entered import author_of
from shared.person import name_of_user
from shared.store.postgres import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    held = verbs.add_parser("held", help="whose reads are held, and why")
    held.add_argument("--json", action="store_true", help="one JSON object a line")
    held.set_defaults(do=_held)
    decide = verbs.add_parser("release", help="bill it as the device that it says it is")
    decide.add_argument("id", type=int, metavar="ID", help="as `held` lists it")
    decide.add_argument(
        "--site", metavar="SITE", help="where it belongs, of one that showed at another site"
    )
    decide.add_argument("--author", metavar="NAME", help="default: who runs this")
    decide.add_argument("--reason", required=True, metavar="TEXT")
    decide.set_defaults(do=_release)


async def _held(store: Store, args: argparse.Namespace) -> None:
    for row in await held_devices(store):
        if args.json:
            line = json.dumps(row, default=str, ensure_ascii=False)
        else:
            since = f"{row['held_at']:%Y-%m-%d %H:%M:%S} UTC" if row["held_at"] else "-"
            line = "\t".join((str(row["id"]), row["site"], row["key"], since, row["held_because"]))
        sys.stdout.write(line + "\n")


async def _release(store: Store, args: argparse.Namespace) -> None:
    author = author_of(args.author or name_of_user(), args.reason)
    sys.stdout.write(f"{args.id}: {await release(store, args.id, author, args.site)}\n")
