"""`pagetally up`: hub and agent on one box, on the real network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from services.solo.agent import running_agent
from services.solo.faults import told
from services.solo.hub import own_site, running_hub
from services.solo.named import ceiling_or_exit
from services.solo.places import Places
from shared.log import set_up_logs
from shared.serve import stop_on_signals, until
from shared.settings import state_folder

_PORT = 8443
_CONSOLE_PORT = 8080


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="what is searched and read")
    parser.add_argument(
        "--credential", action="append", metavar="NAME", help="in order; default: public"
    )
    parser.add_argument("--customer", default="This office", metavar="NAME")
    parser.add_argument("--site", default="office", metavar="NAME")
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0 lets other sites send"
    )
    parser.add_argument("--hub-port", type=int, default=_PORT, metavar="PORT")
    parser.add_argument("--console-port", type=int, default=_CONSOLE_PORT, metavar="PORT")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME", help="that sites reach this box by"
    )
    parser.add_argument(
        "--health-port", type=int, metavar="PORT", help="/healthz, /readyz, /metrics on 127.0.0.1"
    )
    parser.add_argument("--log-format", choices=("kv", "json"), default="kv")


def run_command(args: argparse.Namespace) -> int:
    set_up_logs(args.log_format)
    places = Places(state_folder())
    ceiling = ceiling_or_exit(places, args.targets)
    if not args.targets:
        networks = ", ".join(str(network) for network in ceiling.networks) or "none"
        sys.stderr.write(
            "pagetally: no target typed: only what the hub's scope chooses is searched.\n"
            f"This box may touch: {networks}. Such as: pagetally up 10.20.0.0/24\n"
        )
    credentials = args.credential or (["public"] if args.targets else [])

    async def up() -> None:
        places.make()
        stopping = stop_on_signals()
        async with running_hub(
            places,
            host=args.listen,
            port=args.hub_port,
            console_port=args.console_port,
            names=args.name,
        ) as hub:
            await own_site(hub.store, places, args.customer, args.site)
            async with running_agent(
                places,
                hub_url=hub.url,
                key_file=places.site_key,
                ca_file=hub.ca.ca_cert,
                ceiling=ceiling,
                targets=args.targets,
                credentials=credentials,
                search_at_start=bool(args.targets),
                health_port=args.health_port,
            ) as agenda:
                _say(hub.console_url, hub.ca.fingerprint, credentials)
                await until(stopping, agenda.run())

    return told(up())


def _say(console_url: str, fingerprint: str, credentials: Sequence[str]) -> None:
    sys.stdout.write(
        f"Devices and rounds: {console_url}\n"
        f"SNMP credentials that are sent: {', '.join(credentials) or 'those of the scope'}\n"
        f"Pin of this hub for other sites: {fingerprint}\n"
    )
    sys.stdout.flush()
