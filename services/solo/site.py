"""`pagetally site`: an agent alone, for a hub elsewhere. No database server, no broker."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from services.solo.agent import running_agent
from services.solo.faults import told
from services.solo.named import ceiling_or_exit
from services.solo.places import Places
from services.uploader.send import fetch_ca
from services.uploader.settings import UploaderSettings
from shared.files import write_private
from shared.log import set_up_logs
from shared.serve import stop_on_signals, until
from shared.settings import settings_or_exit, state_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="beside those of the scope")
    parser.add_argument("--hub", required=True, metavar="URL", help="https://HOST:PORT")
    parser.add_argument("--key-file", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "--pin", type=_pin, metavar="sha256:HEX", help="fingerprint of the hub's own CA"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="PEM of authorities; else UPLOADER_CA_FILE"
    )
    parser.add_argument("--credential", action="append", default=[], metavar="NAME")
    parser.add_argument("--agent", default="agent", metavar="NAME", help="this agent's name")
    parser.add_argument(
        "--health-port", type=int, metavar="PORT", help="/healthz, /readyz, /metrics on 127.0.0.1"
    )
    parser.add_argument("--log-format", choices=("kv", "json"), default="kv")


def _pin(text: str) -> str:
    """The 64 hexadecimal digits of a pin."""
    digits = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise argparse.ArgumentTypeError("a pin reads sha256: and 64 hexadecimal digits")
    return digits


def run_command(args: argparse.Namespace) -> int:
    set_up_logs(args.log_format)
    places = Places(state_folder())
    ceiling = ceiling_or_exit(places, args.targets)

    typed = {"ca_file": args.ca_file} if args.ca_file else {}
    uploader = settings_or_exit(UploaderSettings, hub_url=args.hub, key_file=args.key_file, **typed)

    async def site() -> None:
        places.make(hub=False)
        stopping = stop_on_signals()
        async with running_agent(
            places,
            hub_url=args.hub,
            key_file=args.key_file,
            ca_file=await authorities(places, uploader, args.pin),
            ceiling=ceiling,
            targets=args.targets,
            credentials=args.credential,
            search_at_start=bool(args.targets),
            agent=args.agent,
            health_port=args.health_port,
        ) as agenda:
            await until(stopping, agenda.run())

    return told(site())


async def authorities(places: Places, settings: UploaderSettings, pin: str | None) -> Path | None:
    """The file of those that are believed beside the system's: the one that a pin stands for, and
    those of the setting; None where there are none."""
    if pin is None:
        return settings.ca_file
    pinned = places.agent / f"ca-{pin}.pem"
    if not pinned.exists():
        proxy = settings.proxy.get_secret_value() if settings.proxy else None
        write_private(pinned, await fetch_ca(settings.hub_url, pin, proxy=proxy))
    if settings.ca_file is None:
        return pinned
    both = places.agent / "ca-both.pem"
    write_private(both, pinned.read_bytes() + b"\n" + settings.ca_file.read_bytes())
    return both
