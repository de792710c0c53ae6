"""Real peers on loopback, each on ports and in a directory of its own, ended with the session."""

from __future__ import annotations

import os
import socket
from typing import NoReturn

import pytest


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
