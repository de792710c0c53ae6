"""`pagetally <command>`: reads the words, then imports only what the command needs."""

from __future__ import annotations

import argparse
import importlib
import sys

# command -> (module with add_arguments and run_command, what it does)
COMMANDS = {
    "demo": ("services.solo.demo", "everything in one process, with a simulated fleet"),
    "up": ("services.solo.up", "everything on one box, on the real network"),
    "site": ("services.solo.site", "an agent alone: finds, reads, and sends to a hub"),
    "sweep": ("services.discovery.command", "ask addresses by SNMP; say which print"),
    "probe": ("services.poller.command", "read devices now"),
    "replay": ("services.solo.replay", "answer as recorded devices, on loopback"),
    "credential": ("services.discovery.credential_command", "the site's SNMP credentials"),
    "sent": ("services.uploader.sent_command", "what left this site"),
    "check": ("services.uploader.check_command", "try every step from here to the hub"),
    "report": ("services.reporter.command", "make, mail or list a customer's workbooks"),
    "explain": ("services.ingest.explain_command", "the varbinds behind every meter of a read"),
    "admin": ("services.ingest.command", "customers, sites, keys, recipients, schedules, backups"),
}  # fmt: skip
SERVICES = ("discovery", "poller", "uploader", "ingest", "reporter", "console")


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    command = words[0] if words else "--help"
    if command in SERVICES:
        if words[1:]:
            sys.stderr.write(
                f"pagetally {command}: is set by its environment, see docs/settings.md\n"
            )
            return 2
        importlib.import_module(f"services.{command}.main").main()
        return 0
    if command in COMMANDS:
        module = importlib.import_module(COMMANDS[command][0])
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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
