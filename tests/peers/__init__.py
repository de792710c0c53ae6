"""Real peers on loopback, each on ports and in a directory of its own, ended with the session."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 * 2**30


def missing(what: str) -> NoReturn:
    """Skip the test for want of a peer; under CI that is a failure."""
    reason = f"{what} is not installed here"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def peer_folder(name: str) -> Path:
    """A new one of a peer's own, in memory where there is room: files are made there much faster.

    Not in memory that is mounted noexec: a server's programs may be copied there.
    """
    within = None
    if os.access(_MEMORY, os.W_OK):
        found = os.statvfs(_MEMORY)
        if found.f_bavail * found.f_frsize > _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC:
            within = _MEMORY
    return Path(tempfile.mkdtemp(prefix=f"pagetally-{name}-", dir=within))
