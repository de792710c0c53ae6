"""`pagetally sent`: what left this site, byte for byte, from the spool; also while it is in use."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from services.uploader.again import send_again
from services.uploader.boot import since_boot
from services.uploader.numbering import VERSION, SpoolError, at
from services.uploader.spool_file import SpoolFile
from shared.bus.port import CannotStoreError
from shared.clock import utc_now
from shared.settings import state_folder


class Row(NamedTuple):
    spool: str
    n: int
    type: str
    id: str
    stored_at: str
    sent_at: str
    received_at: str | None
    state: str
    reason: str | None
    again_as: int | None  # the number under which a rejected message was sent again
    left_as: str  # JSON: the numbers under which it left before

    def as_json(self, body: bytes) -> bytes:
        about = {"outcome": self.state, **self._asdict(), "left_as": json.loads(self.left_as)}
        del about["state"]
        return json.dumps(about).encode()[:-1] + b', "body": ' + body + b"}\n"


_ROWS = """
select m.rowid, m.spool, m.n, type, id, stored_at, m.sent_at, received_at, state, reason,
    later.now_n,
    (select json_group_array(json_object('spool', spool, 'n', n, 'sent_at', sent_at))
        from former where (now_spool, now_n) = (m.spool, m.n))
from message m left join former later on (later.spool, later.n) = (m.spool, m.n)
where m.sent_at >= ? and (state = 'rejected' or not ?) order by m.sent_at, m.spool, m.n
"""
_BODY = """
select body from message m where n = :n
    or (m.spool, m.n) in (select now_spool, now_n from former where n = :n)
order by n <> :n, spool = (select id from spool) desc, stored_at desc limit 1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rejected", action="store_true", help="only what the hub rejected")
    parser.add_argument(
        "--since", type=_instant, metavar="WHEN", help="sent from 2026-11-01 or 2026-11-01T08:00 on"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a message, with body")
    parser.add_argument("--body", type=int, metavar="N", help="message N alone, byte for byte")
    parser.add_argument(
        "--around", action="store_true", help="what stood around the messages of the last batch"
    )
    parser.add_argument(
        "--again",
        type=_numbers,
        metavar="N|all-rejected",
        help="send a rejected message again, after what was wrong at the hub has been set right",
    )
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
        if args.again is not None:
            return _send_again(path, args.again)
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _show(db, args)
    except (sqlite3.DatabaseError, SpoolError, CannotStoreError) as error:
        sys.stderr.write(f"{path}: cannot be read as a spool: {error}\n")
        return 1


def _show(db: sqlite3.Connection, args: argparse.Namespace) -> int:
    if db.execute("pragma user_version").fetchone() != (VERSION,):
        raise SpoolError("made by another version of Pagetally, whose uploader has to run first")
    if args.body is not None:
        return _show_body(db, args.body)
    if args.around:
        [around] = db.execute("select around from spool").fetchone()
        sys.stdout.write(f"{around or '{}'}\n")
        return 0
    for row, body in _rows(db, rejected=args.rejected, since=args.since):
        sys.stdout.buffer.write(row.as_json(body) if args.json else _as_text(row, len(body)))
    if not args.json:
        [waiting] = db.execute("select count(*) from message where state = 'waiting'").fetchone()
        sys.stdout.buffer.write(b"%d messages wait for the hub\n" % waiting)
    return 0


def _rows(
    db: sqlite3.Connection, *, rejected: bool, since: datetime | None
) -> Iterator[tuple[Row, bytes]]:
    """What left, in order; a message that was sent and not answered yet has left too.

    No look at the file lasts longer than one body takes: while one lasts, the file's log grows.
    """
    found = db.execute(_ROWS, (at(since) if since else "", rejected)).fetchall()
    for rowid, *columns in found:
        body = db.execute("select body from message where rowid = ?", (rowid,)).fetchone()
        if body:  # else it was forgotten in the meantime
            yield Row(*columns), body[0]


def _show_body(db: sqlite3.Connection, n: int) -> int:
    """Of the spool in use, or where that has no such number, of the one before it."""
    row = db.execute(_BODY, {"n": n}).fetchone()
    if row is None:
        sys.stderr.write(f"message {n}: not in the spool; it holds no such number, or no longer\n")
        return 1
    sys.stdout.buffer.write(row[0])
    sys.stdout.buffer.flush()
    return 0


def _send_again(path: Path, numbers: Sequence[int]) -> int:
    file = SpoolFile(path)
    try:
        given = send_again(file, numbers or None, utc_now(), since_boot())
    finally:
        file.close()
    for each in given:
        sys.stdout.write(f"message {each.n} is sent again as {each.as_n}\n")
    missing = sorted(set(numbers) - {each.n for each in given})
    for n in missing:
        sys.stderr.write(f"message {n}: was not rejected, or was sent again already\n")
    if not numbers and not given:
        sys.stdout.write("nothing was rejected that was not sent again already\n")
    return 1 if missing else 0


def _numbers(text: str) -> list[int]:
    """None at all for all that were rejected."""
    if text == "all-rejected":
        return []
    if text.isascii() and text.isdecimal() and 0 < int(text[:20]) < 2**63:
        return [int(text)]
    raise argparse.ArgumentTypeError(f"{text!r} is no message's number; see `pagetally sent`")


def _as_text(row: Row, size: int) -> bytes:
    line = f"{row.n:>8}  {row.sent_at}  {row.state:<9}  {row.type:<18}  {size:>6} bytes"
    left = ", ".join(f"{was['n']} of spool {was['spool']}" for was in json.loads(row.left_as))
    told = [
        row.reason,
        f"(sent again as {row.again_as})" if row.again_as else None,
        f"(left before as {left})" if left else None,
    ]
    return "  ".join([line, *filter(None, told)]).encode() + b"\n"


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()  # local time where no zone is said
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-11-01") from None
