"""The roster's file: SQLite, one process at a time, carried over from an older version."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TABLES = Path(__file__).with_name("roster.sql")
_FROM_1 = Path(__file__).with_name("roster_from_1.sql")
_VERSION = 2  # PRAGMA user_version


class RosterError(Exception):
    """The roster cannot be used; the text names its file."""


class RosterFile:
    """Open and locked; what is written in a transaction is durable when that ends."""

    def __init__(self, path: Path) -> None:
        """Raises: RosterError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            with self._transaction():
                self._set_up()
        except BlockingIOError:
            os.close(self._lock)
            raise RosterError(f"{path}: another discovery on this box has it open") from None
        except (OSError, sqlite3.Error) as error:
            raise RosterError(f"{path}: cannot be used: {error}") from error

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def _set_up(self) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= _VERSION:
            raise RosterError(f"{self._path}: of version {version}, made by a newer release")
        if version == 1:
            self._db.execute("ALTER TABLE answer RENAME TO answer_1")
            self._db.execute("ALTER TABLE known RENAME TO known_1")
        for script in (_TABLES, _FROM_1) if version == 1 else (_TABLES,):
            for statement in script.read_text(encoding="utf-8").split(";"):
                self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:  # a full disk, most often
            raise RosterError(f"{self._path}: cannot be written: {error}") from error

    def _write(self, statement: str, *values: str | int | None) -> int:
        """How many rows it wrote."""
        with self._transaction():
            return self._db.execute(statement, values).rowcount

    def _all(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:  # a torn file, a disk that fails
            raise RosterError(f"{self._path}: cannot be read: {error}") from error

    def _one(self, statement: str) -> tuple[Any, ...] | None:
        return next(iter(self._all(statement)), None)
