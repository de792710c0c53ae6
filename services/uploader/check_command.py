"""`pagetally check`: one line a step, and what to do where one fails."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from services.uploader.check import Step, check
from services.uploader.main import rabbit
from services.uploader.settings import UploaderSettings
from shared.clock import utc_now
from shared.log import set_up_logs
from shared.settings import settings_or_exit

_SHOWN = {"ok": "ok  ", "failed": "FAIL", "skipped": "--  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="the hub; else UPLOADER_HUB_URL")
    parser.add_argument("--key-file", type=Path, metavar="F", help="else UPLOADER_KEY_FILE")
    parser.add_argument("--ca-file", type=Path, metavar="F", help="else UPLOADER_CA_FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a step")


def run_command(args: argparse.Namespace) -> int:
    typed = {"hub_url": args.hub, "key_file": args.key_file, "ca_file": args.ca_file}
    settings = settings_or_exit(
        UploaderSettings, **{name: value for name, value in typed.items() if value is not None}
    )
    set_up_logs(settings.log_format, "critical")  # each step's line says all
    return asyncio.run(_run(settings, as_json=args.json))


async def _run(settings: UploaderSettings, *, as_json: bool) -> int:
    failed = False
    async for step in check(settings, now=utc_now, connect_bus=rabbit):
        failed = failed or step.outcome == "failed"
        sys.stdout.write((_as_json(step) if as_json else _as_text(step)) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


def _as_json(step: Step) -> str:
    return json.dumps(
        {"outcome": step.outcome, "step": step.name, "said": step.said, "try": step.advice or None}
    )


def _as_text(step: Step) -> str:
    advice = f"\n{'':13}try: {step.advice}" if step.advice else ""
    return f"{_SHOWN[step.outcome]} {step.name:<7} {step.said}{advice}"
