"""Fixtures of every test; each real peer has a module of its own in tests/peers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = [
    "tests.peers.postgres",
    "tests.peers.rabbit",
    "tests.peers.smtp",
    "tests.peers.proxy",
    "tests.peers.agent",
]


@pytest.fixture(autouse=True)
def _logs_of_this_test() -> Iterator[None]:
    """A command that a test runs sets up the logs for a stream that is the test's own."""
    yield
    structlog.reset_defaults()
