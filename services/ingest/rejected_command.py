"""`pagetally admin rejected`: what was set aside at the hub, and trying it again."""

from __future__ import annotations

import argparse
import sys

from services.ingest.missing_command import chosen_sites, tell
from services.ingest.rejected import body_of, set_aside_of, try_again
from services.ingest.sites import AdminError
from shared.store.postgres import Store

Arguments = argparse.Namespace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", nargs="?", metavar="SITE", help="one site; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--settled", action="store_true", help="list those that are settled too")
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--show", type=int, metavar="N", help="the body of that number")
    act.add_argument(
        "--again", metavar="N", help="take it in as if it came now; 'all': each that is listed"
    )
    parser.set_defaults(do=_rejected)


async def _rejected(store: Store, args: Arguments) -> None:
    if args.show is not None:
        sys.stdout.write(await body_of(store, args.show) + "\n")
        return
    if args.again and args.again != "all":
        if not args.again.isascii() or not args.again.isdecimal():
            raise AdminError(f"--again {args.again}: a number that is listed is wanted, or 'all'")
        sys.stdout.write(f"{args.again}: {await try_again(store, int(args.again))}\n")
        return
    sites = await chosen_sites(store, args.site)
    for row in await set_aside_of(store, sites, settled=args.settled):
        if not args.again:
            tell(row, as_json=args.json)
        elif row["what"] == "rejected" and not row["settled_at"]:
            sys.stdout.write(f"{row['no']}: {await _tried(store, row['no'])}\n")


async def _tried(store: Store, no: int) -> str:
    try:
        return await try_again(store, no)
    except AdminError as error:
        return str(error)
