"""`pagetally admin site key|keys|revoke`: a site's keys, made, replaced and revoked."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from services.ingest.keys import add_key, keys, revoke_keys
from services.ingest.sites import AdminError, site_named
from shared.store.postgres import Store

_Arguments = argparse.Namespace
_Add = Callable[..., argparse.ArgumentParser]
_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60}
_LONGEST = timedelta(days=366)


def add_key_verbs(add: _Add) -> None:
    """The verbs, by what adds one to those of `admin site`."""
    make = add("key", help="a new key, shown this once")
    make.add_argument("--label", default="", metavar="TEXT", help="where it is, or what for")
    make.add_argument("--rotate", action="store_true", help="the site's other keys end")
    make.add_argument(
        "--overlap", type=_span, metavar="SPAN", help="and when: 0m, 30m, 12h, 7d; 7d"
    )
    make.set_defaults(do=_key)
    rows = add("keys", help="the site's keys by number: when made, last used, ended; never the key")
    rows.add_argument("--json", action="store_true", help="one JSON object a line")
    rows.set_defaults(do=_keys)
    revoke = add("revoke", help="revoke the site's keys at once")
    one = revoke.add_mutually_exclusive_group()
    one.add_argument("--id", type=int, metavar="N", help="only this one, by its number")
    one.add_argument("--key-file", type=Path, metavar="FILE", help="only the key in it")
    revoke.set_defaults(do=_revoke)
    for verb in (make, rows, revoke):
        verb.add_argument("name", metavar="NAME")


def _span(text: str) -> timedelta:
    """Raises: ArgumentTypeError."""
    told = re.fullmatch(r"(\d{1,6})([dhm])", text)
    span = timedelta(seconds=int(told[1]) * _UNITS_S[told[2]]) if told else None
    if span is None or span > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r}; a time such as 7d, 12h or 30m, at most 366d")
    return span


async def _key(store: Store, args: _Arguments) -> None:
    if args.overlap is not None and not args.rotate:
        raise AdminError("--overlap is of --rotate: without it the other keys do not end")
    overlap = (timedelta(days=7) if args.overlap is None else args.overlap) if args.rotate else None
    site = await site_named(store, args.name)
    sys.stdout.write(await add_key(store, site, args.label, overlap=overlap) + "\n")


async def _keys(store: Store, args: _Arguments) -> None:
    for row in await keys(store, await site_named(store, args.name)):
        told = {name: _told(value) for name, value in row.items()}
        if args.json:
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
            continue
        words = [
            f"made {told['created_at']}",
            f"last used {told['last_used_at'] or 'never'}",
            f"ends {told['ends_at'] or 'never'}",
        ]
        if row["revoked_at"]:
            words.append(f"revoked {told['revoked_at']}")
        if row["refused"]:
            words.append(f"tried {row['refused']} times since, last {told['refused_at']}")
        sys.stdout.write("\t".join((str(row["id"]), row["label"] or "-", *words)) + "\n")


def _told(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


async def _revoke(store: Store, args: _Arguments) -> None:
    site = await site_named(store, args.name)
    key = args.key_file.read_text(encoding="utf-8").strip() if args.key_file else None
    revoked = await revoke_keys(store, site, key, key_id=args.id)
    if not revoked:
        raise AdminError(f"site {site.name} has no such key in force")
    sys.stdout.write(f"{revoked} revoked\n")
