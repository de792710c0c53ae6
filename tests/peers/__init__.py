"""Real peers for the tests, each private, on loopback, and ended at the end."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test for want of a peer; where CI is set that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing here: {what}")
    pytest.skip(f"missing here: {what}")
