"""Answering as recorded devices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from services.solo.simulator import SimulatedAgent, simulate
from shared.snmprec import RecordingError, read_snmprec

_MAX_DEVICES = 2000  # each takes a socket


@asynccontextmanager
async def serve_recordings(
    folder: Path, first_address: str = "127.30.0.1", port: int = 16_100
) -> AsyncIterator[Mapping[str, Path]]:
    """Answers as each recorded device in `folder` while the block runs, community "public".

    Gives address -> file: one loopback address a file, in the order of the files' names.

    Raises: RecordingError; ValueError, OSError as `simulate`.
    """
    served = _addressed(folder, first_address)
    agents = {
        (address, port): SimulatedAgent(read_snmprec(file)) for address, file in served.items()
    }
    async with simulate(agents):
        yield served


def _addressed(folder: Path, first_address: str) -> Mapping[str, Path]:
    files = sorted(folder.glob("*.snmprec"))
    if not files:
        raise RecordingError(f"{folder}: no file there is called *.snmprec")
    if len(files) > _MAX_DEVICES:
        raise RecordingError(f"{folder}: {len(files)} recordings; at most {_MAX_DEVICES} at once")
    first = ip_address(first_address)
    return {str(first + number): file for number, file in enumerate(files)}
