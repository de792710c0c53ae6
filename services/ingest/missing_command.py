"""`pagetally admin gaps|spools|rounds`: what of the sites' messages the hub has not, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import datetime

from services.ingest.gaps import gaps
from services.ingest.sites import Site, site_named, sites
from shared.clock import utc_now
from shared.store.postgres import Store
from shared.store.rounds import open_names, round_courses
from shared.store.spools import spools

_ROUNDS = 100
_NAMES = 5_000
Arguments = argparse.Namespace


def add_arguments(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for verb, do, about in (
        ("gaps", _gaps, "numbers that a site's spools gave and the hub never had"),
        ("spools", _spools, "the spools of a site: which followed which, and why"),
        ("rounds", _rounds, "how far the last rounds are"),
    ):
        chore = nouns.add_parser(verb, help=about)
        chore.add_argument("site", nargs="?", metavar="SITE", help="one site; default: all")
        chore.add_argument("--json", action="store_true", help="one JSON object a line")
        if verb == "rounds":
            chore.add_argument(
                "--open", action="store_true", help="what overdue rounds lack, by name"
            )
        chore.set_defaults(do=do)


async def chosen_sites(store: Store, name: str | None) -> list[Site]:
    """The site of that name, or all. Raises: AdminError."""
    names = [name] if name else [row["name"] for row in await sites(store)]
    return [await site_named(store, each) for each in names]


def tell(row: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(row, default=str, ensure_ascii=False)
    else:
        line = "\t".join("-" if value in (None, "") else _as_text(value) for value in row.values())
    sys.stdout.write(line + "\n")


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


async def _gaps(store: Store, args: Arguments) -> None:
    for site in await chosen_sites(store, args.site):
        for gap in await gaps(store, site):
            row = {"site": site.name, "spool": gap.spool}
            numbers = {"first": gap.first, "last": gap.last}
            shown = numbers if args.json else {"numbers": f"{gap.first}-{gap.last}"}
            tell({**row, **shown, "why": gap.why}, as_json=args.json)


async def _spools(store: Store, args: Arguments) -> None:
    chosen = [site.id for site in await chosen_sites(store, args.site)]
    async with store.transaction() as connection:
        found = await spools(connection, chosen)
    for one in found:
        row = {
            "site": one.site,
            "spool": one.id,
            "first_seen_at": one.first_seen_at,
            "last_seen_at": one.last_seen_at,
            "last": one.last,
            "notes": list(one.notes) if args.json else "; ".join(one.notes),
        }
        tell(row, as_json=args.json)


async def _rounds(store: Store, args: Arguments) -> None:
    chosen, now = [site.id for site in await chosen_sites(store, args.site)], utc_now()
    async with store.transaction() as connection:
        for one in await round_courses(connection, chosen, now, _ROUNDS, overdue=args.open):
            row = {
                "site": one.site,
                "round": one.id,
                "kind": one.kind,
                "first_at": one.first_at,
                "state": one.state(now),
            }
            if args.json:
                row |= {"orders": one.named, "read": one.read, "failed": one.failed}
            else:
                row["counts"] = f"{one.named} orders, {one.read} read, {one.failed} failed"
            if not args.open:
                tell(row, as_json=args.json)
                continue
            names = await open_names(connection, one, _NAMES)
            if args.json:
                row["open"] = [{"target": target, "why": why} for target, why in names]
            tell(row, as_json=args.json)
            for target, why in [] if args.json else names:
                tell({"": None, "target": target, "why": why}, as_json=False)
