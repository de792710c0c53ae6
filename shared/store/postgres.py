"""The hub's PostgreSQL: a pool, transactions, and numbered migrations under an advisory lock."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import resources
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from shared.store.tls import advice_of, verified

Connection = AsyncConnection[DictRow]
Cursor = AsyncCursor[DictRow]
_MIGRATION_LOCK = 0x70616765  # "page"
_SESSION = (
    "set timezone to 'UTC'; set lock_timeout to '15s'; set statement_timeout to '120s';"
    " set idle_in_transaction_session_timeout to '120s'"
)


class StoreError(Exception):
    """The database could not be reached, or refused; the text says which."""


class RefusedError(StoreError):
    """The database refused what a row holds; asking again would not help."""


class Store:
    """Open with `async with open_store(url) as store`."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction: commits at the end of the block, rolls back on error.

        Raises: StoreError, where the database does not answer or ends the connection.
        """
        try:
            async with self._pool.connection(timeout=10) as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise StoreError(f"database: {in_words(error)}") from error

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction of its own, without BEGIN and
        COMMIT.

        Raises: StoreError, as `transaction`.
        """
        async with self.transaction() as connection:
            await connection.set_autocommit(True)
            try:
                yield connection
            finally:
                # one that is cut off in a statement cannot be used again: the pool closes it
                with suppress(psycopg.Error):
                    await connection.set_autocommit(False)

    async def problem(self) -> str | None:
        """What keeps the database from answering, in words; None where it answers."""
        try:
            async with self.transaction() as connection:
                await connection.execute("select 1")
        except StoreError as error:
            return str(error)
        return None


@asynccontextmanager
async def open_store(url: str, pool_size: int = 4) -> AsyncIterator[Store]:
    """A store with its migrations run. Raises: StoreError."""
    await migrate(url)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        conninfo_of(url),
        min_size=1,
        max_size=pool_size,
        open=False,
        kwargs={"row_factory": dict_row, "connect_timeout": 10},
        configure=_begin_session,
        check=_check,
    )
    await pool.open()
    try:
        yield Store(pool)
    finally:
        await pool.close(timeout=5)


@contextmanager
def refusals() -> Iterator[None]:
    """Raises: RefusedError, for a value out of range or too large for its column or index."""
    try:
        yield
    except (
        psycopg.DataError,
        errors.CheckViolation,
        errors.NotNullViolation,
        errors.ProgramLimitExceeded,
    ) as error:
        raise RefusedError(f"database: {in_words(error)}") from error


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """What the block did is undone where it fails. Raises: RefusedError, as `refusals`."""
    with refusals():
        async with connection.transaction():
            yield


async def bare_rows(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """A query's rows as tuples, which cost less than dicts where they are many."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


async def migrate(url: str) -> list[str]:
    """Run the migrations that have not run yet, one at a time, whoever else starts meanwhile.

    Returns their names. Raises: StoreError.
    """
    try:
        async with await AsyncConnection.connect(
            conninfo_of(url), autocommit=True, connect_timeout=10
        ) as connection:
            await connection.execute("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
            await connection.execute(
                "create table if not exists migration"
                " (name text primary key, run_at timestamptz not null default now())"
            )
            rows = await (await connection.execute("select name from migration")).fetchall()
            done = {row[0] for row in rows}
            ran = []
            for name, sql in _migrations():
                if name in done:
                    continue
                async with connection.transaction():
                    await connection.execute(sql.encode())
                    await connection.execute("insert into migration (name) values (%s)", (name,))
                ran.append(name)
            return ran
    except psycopg.Error as error:
        raise StoreError(f"database: {in_words(error)}") from error


async def _begin_session(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_SESSION)
    await connection.commit()


async def _check(connection: AsyncConnection[Any]) -> None:
    """Nothing waits to be read from an idle connection, unless the server ended it: only then is
    it asked."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("shared.store") / "migrations"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    return [(entry.name, entry.read_text(encoding="utf-8")) for entry in files]


def conninfo_of(url: str) -> str:
    """What libpq is given; see `shared.store.tls`. Raises: StoreError."""
    try:
        return verified(url)
    except ValueError as error:
        raise StoreError(f"database: {error}") from None


def migration_names() -> list[str]:
    return [name for name, _ in _migrations()]


def in_words(error: Exception) -> str:
    """One line, with what to try where it is TLS that failed."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300] + advice_of(error)
