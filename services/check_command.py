"""`pagetally check`: tries every step that this box' settings name, and says what to do."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from shared.check import Step, tell
from shared.clock import utc_now
from shared.log import set_up_logs
from shared.settings import settings_or_exit, state_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="the hub; else UPLOADER_HUB_URL")
    parser.add_argument("--key-file", type=Path, metavar="F", help="else UPLOADER_KEY_FILE")
    parser.add_argument("--ca-file", type=Path, metavar="F", help="else UPLOADER_CA_FILE")
    parser.add_argument("--database", metavar="URL", help="else …_DATABASE_URL")
    parser.add_argument("--mail-to", metavar="ADDRESS", help="send a test mail there")
    parser.add_argument("--json", action="store_true", help="one JSON object a step")


def run_command(args: argparse.Namespace) -> int:
    set_up_logs("kv", "critical")  # each step's line says all
    with ExitStack() as stack:
        parts = list(_parts(args, stack))
        if not parts:
            sys.stderr.write(
                "pagetally: nothing to check: set UPLOADER_HUB_URL (or --hub), …_BUS_URL,"
                " or …_DATABASE_URL (or --database)\n"
            )
            return 2
        return 0 if asyncio.run(tell(_each(parts), as_json=args.json)) else 1


async def _each(parts: list[AsyncIterator[Step]]) -> AsyncIterator[Step]:
    for part in parts:
        async for step in part:
            yield step


def _parts(args: argparse.Namespace, stack: ExitStack) -> Iterator[AsyncIterator[Step]]:
    """Those whose settings are set; settings that are wrong end the command here."""
    if args.hub or _runs("uploader", "UPLOADER_HUB_URL"):
        yield _site(args)
    if _runs("discovery", "DISCOVERY_BUS_URL"):
        yield _broker_of_discovery()
    if _runs("poller", "POLLER_BUS_URL"):
        yield _broker_of_poller()
    for url in _databases(args, stack):
        from shared.store.check import database

        yield database(url)
    if _runs("ingest", "INGEST_DATABASE_URL"):
        yield _certificate()
    if _runs("reporter", "REPORTER_DATABASE_URL"):
        yield _mail(args.mail_to)


def _runs(service: str, variable: str) -> bool:
    """Whether the service is set up here; an image holds one service alone."""
    return _value(variable) is not None and bool(importlib.util.find_spec(f"services.{service}"))


def _value(variable: str) -> str | None:
    return next((value for name, value in os.environ.items() if name.upper() == variable), None)


def _databases(args: argparse.Namespace, stack: ExitStack) -> list[str]:
    """Each once."""
    names = ("PAGETALLY", "INGEST", "REPORTER", "CONSOLE")
    found = [args.database, *(_value(f"{name}_DATABASE_URL") for name in names)]
    urls = list(dict.fromkeys(url for url in found if url))
    embedded = state_folder() / "hub" / "postgres"
    if not urls and not args.hub and embedded.exists():
        from shared.store.chosen import chosen_database

        urls.append(stack.enter_context(chosen_database(None, state_folder())))
    return urls


def _site(args: argparse.Namespace) -> AsyncIterator[Step]:
    from services.uploader.check import check
    from services.uploader.main import rabbit
    from services.uploader.settings import UploaderSettings

    typed = {"hub_url": args.hub, "key_file": args.key_file, "ca_file": args.ca_file}
    settings = settings_or_exit(
        UploaderSettings, **{name: value for name, value in typed.items() if value is not None}
    )
    return check(settings, now=utc_now, connect_bus=rabbit)


def _broker_of_discovery() -> AsyncIterator[Step]:
    from services.discovery.main import rabbit
    from services.discovery.settings import DiscoverySettings, SettingError
    from shared.bus.check import broker

    settings = settings_or_exit(DiscoverySettings)
    return broker(partial(rabbit, settings), "DISCOVERY_BUS_URL", SettingError)


def _broker_of_poller() -> AsyncIterator[Step]:
    from services.poller.main import rabbit
    from services.poller.settings import PollerSettings, SettingError
    from shared.bus.check import broker

    settings = settings_or_exit(PollerSettings)
    return broker(partial(rabbit, settings), "POLLER_BUS_URL", SettingError)


def _certificate() -> AsyncIterator[Step]:
    from services.ingest.check_hub import certificate
    from services.ingest.settings import IngestSettings

    return certificate(settings_or_exit(IngestSettings), utc_now())


def _mail(to: str | None) -> AsyncIterator[Step]:
    from services.reporter.check_mail import mail_server
    from services.reporter.settings import ReporterSettings

    return mail_server(settings_or_exit(ReporterSettings), to, utc_now())
