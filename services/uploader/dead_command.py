"""`pagetally dead`: messages that no service could use, which wait at the broker for a person."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.uploader.broker_command import at_broker
from shared.bus.port import ASIDE, POLLER_DEAD, UPLOADER_DEAD

if TYPE_CHECKING:
    from shared.bus.letters import Letter

_QUEUES = (UPLOADER_DEAD, ASIDE, POLLER_DEAD)
_LONGEST_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--show", metavar="ID", help="the whole message")
    act.add_argument("--again", metavar="ID", help="give it to the services once more")
    act.add_argument("--forget", metavar="ID", help="throw it away")
    parser.add_argument("--json", action="store_true", help="one JSON object a message")


def run_command(args: argparse.Namespace) -> int:
    return at_broker(partial(_run, args), _LONGEST_S)


async def _run(args: argparse.Namespace, url: str, ca_file: Path | None) -> int:
    from shared.bus.letters import MOST, LetterError, shelf

    async with shelf(url, ca_file) as waiting:
        if args.again or args.forget:
            taken = await waiting.remove(_QUEUES, args.again or args.forget, again=bool(args.again))
            done = "given again" if args.again else "forgotten"
            sys.stdout.write(f"{taken.id} {printable(taken.key)}: {done}\n")
            return 0
        letters = await waiting.show(_QUEUES)
    if args.show:
        letters = [letter for letter in letters if letter.id == args.show][:1]
        if not letters:
            raise LetterError(f"{args.show[:80]!a}: no such message waits")
    for letter in letters:
        sys.stdout.write((_as_json if args.json else _as_text)(letter) + "\n")
        if args.show and not args.json:
            sys.stdout.write(printable(letter.body.decode("utf-8", "backslashreplace")) + "\n")
    if not args.json and not args.show:
        sys.stdout.write(_ending(letters, MOST))
    return 0


def _ending(letters: Iterable[Letter], most: int) -> str:
    counts = [sum(letter.queue == queue.name for letter in letters) for queue in _QUEUES]
    more = ", and more that are not shown" if most in counts else ""
    return f"{sum(counts)} messages wait{more}\n"


def _as_text(letter: Letter) -> str:
    why = f"  {letter.why}" if letter.why else ""
    where = f"{letter.id}  {letter.queue:<17}  {printable(letter.key):<18}"
    return f"{where}  {len(letter.body):>7} bytes{why}"


def _as_json(letter: Letter) -> str:
    about = {name: getattr(letter, name) for name in ("id", "queue", "key", "why")}
    body = letter.body.decode("utf-8", "backslashreplace")
    return json.dumps({"outcome": "dead", **about, "bytes": len(letter.body), "body": body})


def printable(text: str) -> str:
    """Nothing in it moves a terminal's cursor."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
