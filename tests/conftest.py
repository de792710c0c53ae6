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

# half a minute and more each
_LONGEST = (
    "tests/faults/test_kill_matrix.py",
    "tests/flow/test_run_page.py",
    "tests/contract/test_hub_process.py",
    "tests/contract/test_rabbit.py",
    "tests/contract/test_reporter.py",
    "tests/contract/test_embedded.py",
    "tests/unit/snmp/test_peers_codec.py",
    "tests/flow/test_demo.py",
    "tests/faults/test_shutdown.py",
    "tests/flow/test_site.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that at the end no process waits for another that began one."""
    items.sort(key=lambda item: item.location[0] not in _LONGEST)


@pytest.fixture(autouse=True)
def _logs_of_this_test() -> Iterator[None]:
    """A command that a test runs sets up the logs for a stream that is the test's own."""
    yield
    structlog.reset_defaults()
