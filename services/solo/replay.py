"""`pagetally replay DIR`: recorded devices answer on loopback addresses."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from services.solo.snmprec import serve_recordings
from shared.serve import stop_on_signals
from shared.snmprec import RecordingError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="holds .snmprec files, one a device")
    parser.add_argument("--first-address", default="127.30.0.1", help="of the first device")
    parser.add_argument("--port", type=int, default=16100)


def run_command(args: argparse.Namespace) -> int:
    try:
        asyncio.run(_replay(args.folder, args.first_address, args.port))
    except (RecordingError, OSError, OverflowError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _replay(folder: Path, first_address: str, port: int) -> None:
    stopping = stop_on_signals()
    async with serve_recordings(folder, first_address, port) as devices:
        for address, recording in devices.items():
            sys.stdout.write(f"{address}:{port} {recording.name}\n")
        sys.stdout.flush()
        await stopping.wait()
