"""Who types a command."""

from __future__ import annotations

import getpass
import os


def name_of_user() -> str:
    """The account's name; its number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
