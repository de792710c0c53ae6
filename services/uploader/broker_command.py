"""`pagetally broker`: what an administrator makes at the broker, once and after an upgrade."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from urllib.parse import quote

from shared.files import write_private

_LONGEST_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(required=True, metavar="ACT")
    make = acts.add_parser(
        "definitions",
        help="a file that RabbitMQ imports: queues, and a user with a new password a service",
    )
    make.add_argument("folder", type=Path, help="where it is written, with each user's URL")
    make.add_argument("--host", required=True, metavar="HOST[:PORT]", help="for the URLs")
    make.add_argument("--vhost", default="/")
    make.add_argument("--tls", action="store_true", help="URLs with amqps://")
    make.set_defaults(act=_definitions)
    acts.add_parser(
        "set-up", help="make the queues at PAGETALLY_BROKER_URL, and empty those of before"
    ).set_defaults(act=_set_up)


def run_command(args: argparse.Namespace) -> int:
    act: Callable[[argparse.Namespace], int] = args.act
    return act(args)


def _definitions(args: argparse.Namespace) -> int:
    from shared.bus.permissions import USERS
    from shared.bus.set_up import definitions

    passwords = {user: (secrets.token_urlsafe(24), secrets.token_bytes(4)) for user in USERS}
    args.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = json.dumps(definitions(passwords, args.vhost), indent=1)
    write_private(args.folder / "definitions.json", made + "\n")
    scheme = "amqps" if args.tls else "amqp"
    for user, (password, _) in passwords.items():
        url = f"{scheme}://{user}:{password}@{args.host}/{quote(args.vhost, safe='')}"
        write_private(args.folder / f"{user}.url", url)
    sys.stdout.write(
        f"{args.folder}: definitions.json, and {', '.join(f'{user}.url' for user in USERS)}\n"
    )
    return 0


def _set_up(_: argparse.Namespace) -> int:
    return at_broker(_setting_up, _LONGEST_S)


async def _setting_up(url: str, ca_file: Path | None) -> int:
    from shared.bus.set_up import set_up

    status = 0
    for queue, moved, readers in await set_up(url, ca_file):
        if readers:
            status = 1
            said = f"left as it is: an earlier version reads it ({readers}); stop that, and repeat"
        else:
            said = f"deleted, and {moved} messages moved"
        sys.stdout.write(f"{queue}: {said}\n")
    sys.stdout.write("exchanges, queues and bindings are there\n")
    return status


def at_broker(
    act: Callable[[str, Path | None], Coroutine[None, None, int]], within_s: float
) -> int:
    """`act` with the broker's URL and CA; what keeps it from its end is told in one line."""
    try:
        from shared.bus.amqp import LostError
        from shared.bus.letters import LetterError
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed here: this agent has no broker\n")
        return 2
    url = os.environ.get("PAGETALLY_BROKER_URL")
    ca_file = os.environ.get("PAGETALLY_BROKER_CA_FILE")
    if not url:
        sys.stderr.write("PAGETALLY_BROKER_URL: must be set, amqp://USER:PASSWORD@HOST:PORT\n")
        return 2

    async def acting() -> int:
        async with asyncio.timeout(within_s):
            return await act(url, Path(ca_file) if ca_file else None)

    try:
        return asyncio.run(acting())
    except ValueError as error:
        sys.stderr.write(f"PAGETALLY_BROKER_URL: {error}\n")
        return 2
    except (LostError, LetterError) as error:
        sys.stderr.write(f"broker: {error}\n")
    except TimeoutError:
        sys.stderr.write(f"broker: not done in {within_s:g} s\n")
    return 1
