"""`pagetally admin late`: which sites and services are late, and why probably."""

from __future__ import annotations

import argparse
import json
import sys

from shared.clock import utc_now
from shared.store.postgres import Store
from shared.store.watch import Watched, late


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(do=_late)


async def _late(store: Store, args: argparse.Namespace) -> None:
    async with store.transaction() as connection:
        found = await late(connection, utc_now())
    for one in found:
        sys.stdout.write((_as_json(one) if args.json else _line(one)) + "\n")
    if not found and not args.json:
        sys.stdout.write("nothing is late\n")


def _as_json(one: Watched) -> str:
    expected = one.expected
    return json.dumps(
        {
            "subject": expected.subject,
            "part": expected.part,
            "last_at": expected.last_at.isoformat() if expected.last_at else None,
            "expected_by": expected.expected_by.isoformat(),
            "late_since": one.late_since.isoformat() if one.late_since else None,
            "cause": expected.cause,
            "told": sorted(one.told),
        },
        ensure_ascii=False,
    )


def _line(one: Watched) -> str:
    expected = one.expected
    last = f"{expected.last_at:%Y-%m-%d %H:%M:%S} UTC" if expected.last_at else "-"
    by = f"{expected.expected_by:%Y-%m-%d %H:%M:%S} UTC"
    return "\t".join((expected.subject, expected.part, last, by, expected.cause))
