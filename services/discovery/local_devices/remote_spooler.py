"""The Windows Spooler of another computer: what it lists, told by a process that is ended in time.

An account's password goes to that process alone, through its standard input.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from importlib.util import find_spec
from typing import Any

from services.discovery.local_devices.printer_info import (
    MAX_ENTRIES,
    MalformedListError,
    PortOfSpooler,
    ports_of,
    printers_of,
)
from services.discovery.local_devices.queues import Listing, SpoolerError, windows_queues
from shared.credentials import Credential
from shared.scope import Spooler

LIMIT_S = 60.0
_PROGRAM = "services.discovery.local_devices.rprn"
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG")


async def spooler_queues(
    spooler: Spooler, address: str, account: Credential, *, limit_s: float = LIMIT_S
) -> Listing:
    """Args: account: of version "windows". Raises: SpoolerError."""
    if find_spec("impacket") is None:
        raise SpoolerError(
            "is asked by MS-RPRN, and what speaks that is not installed here; "
            "pip install --no-deps --require-hashes -r requirements-spooler.lock"
        )
    assert account.user and account.password
    asked = {
        "address": address,
        "protocol": spooler.protocol,
        "domain": account.domain,
        "user": account.user.get_secret_value(),
        "password": account.password.get_secret_value(),
    }
    told = await _told(json.dumps(asked).encode() + b"\n", limit_s)
    if "refusal" in told:
        raise SpoolerError(f"{told['refusal']}; asked with credential {spooler.credential!r}")
    buffer, entries = told["printers"]
    try:
        printers = printers_of(_octets(buffer), min(entries, MAX_ENTRIES))
        ports = _ports(told["ports"])
    except MalformedListError as error:
        raise SpoolerError(f"gives a list that cannot be read: {error}") from None
    return Listing(windows_queues(printers, ports), is_cut=entries >= MAX_ENTRIES)


async def _told(asked: bytes, limit_s: float) -> dict[str, Any]:
    """What the process says. Raises: SpoolerError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
    )
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await process.communicate(asked)
    except TimeoutError:
        raise SpoolerError(f"did not give all of its list in {limit_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SpoolerError("answers what is not understood as MS-RPRN")
    told: dict[str, Any] = json.loads(said)
    return told


def _ports(told: list[Any] | None) -> list[PortOfSpooler]:
    """Raises: MalformedListError."""
    if told is None:
        return []
    buffer, entries = told
    return ports_of(_octets(buffer), min(entries, MAX_ENTRIES))


def _octets(buffer: str) -> bytes:
    return base64.b64decode(buffer)
