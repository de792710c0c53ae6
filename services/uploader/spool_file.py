"""The SQLite file of a spool: transactions that are on disk when they end, also on a full disk."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from services.uploader.numbering import Before, SpoolError, remember, set_up, waiting_in
from services.uploader.reserve import RESERVE_BYTES, Reserve
from shared.bus.port import CannotStoreError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Identity = tuple[int, int]  # device and inode

_BUSY_S = 10.0
_PAGES_IN_LOG = 256  # 1 MB waits in the write-ahead log until it is copied into the file
_PAGES_A_SHRINKING = 500
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


class SpoolFile:
    """One connection, used by one thread at a time.

    Where another file is put at the path, or it is deleted, the next use goes on in what is there
    then, with what waited in the one before.

    Raises: SpoolError on opening; CannotStoreError.
    """

    def __init__(self, path: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._reserve = Reserve(path.with_name(f"{path.name}-reserve"), reserve_bytes)
        self._log = path.with_name(f"{path.name}-wal")
        self._db = self._open(None)
        self.times_replaced = 0
        self._before: Before | None = None  # of a file that was replaced, until the next is open
        self._identity = _identity(path)
        self._log_identity = _identity(self._log)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def read(self, work: Work[T]) -> T:
        with self._lock:
            self._follow()
            try:
                return work(self._db)
            except sqlite3.DatabaseError as error:
                raise CannotStoreError(f"{self.path}: cannot be read: {error}") from error

    def write(self, work: Work[T], *, from_reserve: bool = False) -> T:
        """Do `work` in one transaction; nothing of it is left where it fails.

        Args:
            from_reserve: what makes room in the end, and so may use what is held for it. Without,
                nothing is written unless the reserve is in place.
        """
        with self._lock:
            self._follow()
            try:
                if not from_reserve:
                    self._reserve.hold()
                return self._transaction(work)
            except (sqlite3.DatabaseError, OSError) as error:
                if not (from_reserve and _is_full(error)):
                    raise CannotStoreError(f"{self.path}: cannot be written: {error}") from error
            return self._write_from_reserve(work)

    def _write_from_reserve(self, work: Work[T]) -> T:
        self._reserve.release()
        try:
            self._empty_log()
            return self._transaction(work)
        except sqlite3.DatabaseError as error:
            raise CannotStoreError(f"{self.path}: cannot be written: {error}") from error
        finally:
            self._shrink()
            with suppress(OSError):
                self._reserve.hold()

    def shrink_if_large(self) -> None:
        """Give back what the file does not need, where that is most of it."""
        with self._lock, suppress(sqlite3.DatabaseError):
            if self._pragma("freelist_count") > max(
                self._pragma("page_count") // 2, _PAGES_A_SHRINKING
            ):
                self._shrink()

    def _shrink(self) -> None:
        with suppress(sqlite3.DatabaseError):
            before = None
            while before != (before := self._pragma("freelist_count")):
                self._db.execute(f"pragma incremental_vacuum({_PAGES_A_SHRINKING})").fetchall()
                self._empty_log()

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"pragma {name}").fetchone()[0])

    def _empty_log(self) -> None:
        self._db.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _transaction(self, work: Work[T]) -> T:
        self._db.execute("begin immediate")
        try:
            done = work(self._db)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:  # SQLite may have rolled back by itself
                self._db.execute("rollback")
            raise
        return done

    def _follow(self) -> None:
        if _identity(self.path) == self._identity:
            return
        try:
            if self._before is None:
                self._before = waiting_in(self._db)
                self._db.close()
            if _identity(self._log) == self._log_identity:  # it would be read into the other file
                self._log.unlink(missing_ok=True)
                self._log.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
            self._reserve.release()  # it may be gone too
            self._db = self._open(self._before)
        except (SpoolError, OSError, sqlite3.DatabaseError) as error:
            raise CannotStoreError(f"{self.path}: was replaced: {error}") from None
        self._before = None
        self.times_replaced += 1
        self._identity = _identity(self.path)
        self._log_identity = _identity(self._log)

    def _open(self, before: Before | None) -> sqlite3.Connection:
        try:
            try:
                return self._connect(before)
            except sqlite3.OperationalError as error:
                if not _is_full(error):
                    raise
            self._reserve.release()  # SQLite needs files beside it
            return self._connect(before)
        except (OSError, sqlite3.DatabaseError) as error:
            raise SpoolError(f"{self.path}: cannot be opened as a spool: {error}") from None

    def _connect(self, before: Before | None) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # before SQLite would, as 0644
        db = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("pragma auto_vacuum = incremental")  # heeded in a new file only
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            db.execute(f"pragma wal_autocheckpoint = {_PAGES_IN_LOG}")
            db.execute("begin immediate")
            set_up(db, self.path, before)
            db.execute("commit")
            remember(db, self.path)
        except BaseException:
            db.close()
            raise
        return db


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.DatabaseError):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
