"""Fixtures of every test; each real peer has a module of its own in tests/peers."""

pytest_plugins = [
    "tests.peers.postgres",
    "tests.peers.rabbit",
    "tests.peers.smtp",
    "tests.peers.proxy",
    "tests.peers.agent",
]
