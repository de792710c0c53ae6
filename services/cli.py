"""`pagetally <command>`: reads the words, then imports only what the command needs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType

# command -> (module with add_arguments and run_command, what it does)
COMMANDS = {
    "demo": ("services.solo.demo", "everything in one process, with a simulated fleet"),
    "up": ("services.solo.up", "everything on one box, on the real network"),
    "site": ("services.solo.site", "an agent alone: finds, reads, and sends to a hub"),
    "segments": ("services.discovery.segments_command", "networks that could be searched"),
    "sweep": ("services.discovery.command", "ask addresses by SNMP; say which print"),
    "probe": ("services.poller.command", "read devices now"),
    "record": ("services.poller.record_command", "a redacted walk of a device, for a bug report"),
    "replay": ("services.solo.replay", "answer as recorded devices, on loopback"),
    "dead": ("services.uploader.dead_command", "messages at the broker that no service could use"),
    "broker": ("services.uploader.broker_command", "queues and users at the broker"),
    "credential": ("services.discovery.credential_command", "the site's credentials"),
    "sent": ("services.uploader.sent_command", "what left this site"),
    "check": ("services.check_command", "try every step from here to hub, database and mail"),
    "report": ("services.reporter.command", "make, mail or list a customer's workbooks"),
    "explain": ("services.ingest.explain_command", "the varbinds behind every meter of a read"),
    "profiles": ("services.solo.profiles_command", "list profiles; correct what a wrong one read"),
    "admin": ("services.ingest.command", "customers, sites, keys, recipients, schedules, backups"),
}  # fmt: skip
SERVICES = ("discovery", "poller", "uploader", "ingest", "reporter", "console")


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):  # octets that are no UTF-8
            sys.stderr.write(f"pagetally: {word[:80]!a} is no text in UTF-8\n")
            return 2
    command = words[0] if words else "--help"
    if command in SERVICES:
        if words[1:]:
            sys.stderr.write(
                f"pagetally {command}: is set by its environment, see docs/settings.md\n"
            )
            return 2
        _imported(command, f"services.{command}.main").main()
        return 0
    if command in COMMANDS:
        module = _imported(command, COMMANDS[command][0])
        parser = argparse.ArgumentParser(
            prog=f"pagetally {command}", description=COMMANDS[command][1], allow_abbrev=False
        )
        module.add_arguments(parser)
        return int(module.run_command(parser.parse_args(words[1:])))
    known = "\n".join(f"  {name:<11} {about}" for name, (_, about) in COMMANDS.items())
    services = f"  {' '.join(SERVICES)}\n              one service, set by its environment"
    usage = f"usage: pagetally COMMAND …\n\n{known}\n{services}\n  test        the tests\n"
    if command in ("--help", "-h", "help"):
        sys.stdout.write(usage)
        return 0
    sys.stderr.write(f"pagetally: no command {command!r}\n\n{usage}")
    return 2


def _imported(command: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("services."):
            raise
        sys.stderr.write(f"pagetally: {command} is not in this image, which holds one service\n")
        raise SystemExit(2) from None


def run() -> int:
    """`main` for a shell: what keeps a command from going on is told in one line."""
    open_streams()
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"pagetally: {where}{error.strerror or error}\n")
        status = 1
    try:
        sys.stdout.flush()
    except OSError:  # told above, or nobody reads it: Python shall not tell it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def open_streams() -> None:
    """Streams that were closed lead nowhere, or the next file opened would stand in their place.

    What a stream's encoding lacks is written with backslashes: a device may call itself anything.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(run())
