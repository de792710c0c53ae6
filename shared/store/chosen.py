"""Which database a command on this box works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from shared.store.embedded import SERVER_FOLDER, URL_FILE, EmbeddedError, embedded_postgres


@contextmanager
def chosen_database(url: str | None, state: Path, *, make: bool = False) -> Iterator[str]:
    """`url`, else PAGETALLY_DATABASE_URL, else the embedded server: the one that runs, or one
    that is started for the block.

    Args:
        state: the box's state folder.
        make: where there is no database yet, make one.

    Raises: EmbeddedError.
    """
    chosen = url or os.environ.get("PAGETALLY_DATABASE_URL") or _running(state / URL_FILE)
    if chosen:
        yield chosen
        return
    if not make and not (state / SERVER_FOLDER).exists():
        raise EmbeddedError(
            f"no database: {state} holds none yet; start pagetally up or demo first, or name one"
            " with --database or PAGETALLY_DATABASE_URL"
        )
    with embedded_postgres(state / SERVER_FOLDER) as started:
        yield started


def _running(file: Path) -> str | None:
    """The URL of the embedded server that a Pagetally on this box runs now."""
    try:
        url = file.read_text(encoding="utf-8").strip()
        psycopg.connect(url, connect_timeout=5).close()
    except (OSError, psycopg.Error):
        return None
    return url
