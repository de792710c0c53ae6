"""`pagetally sent`: what left this site, byte for byte, from the spool; also while it is in use."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from shared.settings import state_folder


class Row(NamedTuple):
    spool: str
    n: int
    type: str
    id: str
    stored_at: str
    sent_at: str
    state: str
    reason: str | None
    body: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rejected", action="store_true", help="only what the hub rejected")
    parser.add_argument(
        "--since", type=_instant, metavar="WHEN", help="sent from 2026-11-01 or 2026-11-01T08:00 on"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a message, with body")
    parser.add_argument("--body", type=int, metavar="N", help="message N alone, byte for byte")
    parser.add_argument(
        "--spool", type=Path, metavar="FILE", help="another spool than the uploader's"
    )


def run_command(args: argparse.Namespace) -> int:
    path = args.spool or Path(
        os.environ.get("UPLOADER_SPOOL_FILE") or state_folder() / "agent" / "spool.sqlite"
    )
    if not path.is_file():
        sys.stderr.write(
            f"{path}: there is no spool; name it with --spool or UPLOADER_SPOOL_FILE\n"
        )
        return 2
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            if args.body is not None:
                return _show_body(db, args.body)
            for row in _rows(db, rejected=args.rejected, since=args.since):
                sys.stdout.buffer.write(_as_json(row) if args.json else _as_text(row))
            if not args.json:
                [waiting] = db.execute(
                    "select count(*) from message where state = 'waiting'"
                ).fetchone()
                sys.stdout.buffer.write(b"%d messages wait for the hub\n" % waiting)
    except sqlite3.DatabaseError as error:
        sys.stderr.write(f"{path}: cannot be read as a spool: {error}\n")
        return 1
    return 0


def _rows(db: sqlite3.Connection, *, rejected: bool, since: datetime | None) -> Iterator[Row]:
    """What left, in order; a message that was sent and not answered yet has left too."""
    rows = db.execute(
        "select spool, n, type, id, stored_at, sent_at, state, reason, body from message"
        " where sent_at >= ? and (state = 'rejected' or not ?) order by sent_at, spool, n",
        (since.astimezone(UTC).isoformat() if since else "", rejected),
    )
    return (Row(*row) for row in rows)


def _show_body(db: sqlite3.Connection, n: int) -> int:
    """Of the spool in use, or where that has no such number, of the one before it."""
    row = db.execute(
        "select body from message where n = ?"
        " order by spool = (select id from spool) desc, stored_at desc limit 1",
        (n,),
    ).fetchone()
    if row is None:
        sys.stderr.write(f"message {n}: not in the spool; it holds no such number, or no longer\n")
        return 1
    sys.stdout.buffer.write(row[0])
    sys.stdout.buffer.flush()
    return 0


def _as_json(row: Row) -> bytes:
    about = {"outcome": row.state, **row._asdict()}
    del about["state"], about["body"]
    return json.dumps(about).encode()[:-1] + b', "body": ' + row.body + b"}\n"


def _as_text(row: Row) -> bytes:
    reason = f"  {row.reason}" if row.reason else ""
    line = f"{row.n:>8}  {row.sent_at}  {row.state:<9}  {row.type:<18}  {len(row.body):>6} bytes"
    return f"{line}{reason}\n".encode()


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()  # local time where no zone is said
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-11-01") from None
