"""`pagetally explain READ_ID [METER]`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from services.ingest.command import add_database, on_database
from services.ingest.explain import explain
from shared.store.postgres import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("read_id", metavar="READ_ID", help="as in the workbook")
    parser.add_argument("meter", nargs="?", metavar="METER", help="such as total; default: all")
    add_database(parser)


def run_command(args: argparse.Namespace) -> int:
    return on_database(args, lambda url: asyncio.run(_print(url, args)))


async def _print(url: str, args: argparse.Namespace) -> None:
    async with open_store(url, 1) as store:
        for line in await explain(store, args.read_id, args.meter):
            sys.stdout.write(line + "\n")
