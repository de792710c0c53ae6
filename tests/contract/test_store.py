"""The store against a real PostgreSQL: migrations, append-only messages, errors in words."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from shared.store.insert import copy_rows
from shared.store.postgres import (
    _MIGRATION_LOCK,
    RefusedError,
    Store,
    StoreError,
    migrate,
    savepoint,
)
from tests.peers.postgres import fresh_database

_MIGRATE = """
import asyncio, sys
from shared.store.postgres import migrate
print(*asyncio.run(migrate(sys.argv[1])))
"""


def test_migrations_started_by_four_processes_at_once_run_once(postgres: str) -> None:
    """Held back by the lock that they take, until all four have begun."""
    with (
        fresh_database(postgres, template="template0") as url,
        psycopg.connect(url, autocommit=True) as holding,
    ):
        holding.execute("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        started = [
            subprocess.Popen([sys.executable, "-c", _MIGRATE, url], stdout=subprocess.PIPE)
            for _ in range(4)
        ]
        end = time.monotonic() + 30
        while _waiting(holding) < 4:
            assert time.monotonic() < end, "not all four wait for the lock"
            time.sleep(0.05)
        holding.execute("select pg_advisory_unlock_all()")
        said = [one.communicate(timeout=60)[0].decode().strip() for one in started]

        assert all(one.returncode == 0 for one in started)
        assert sum("0001_hub.sql" in names for names in said) == 1
        assert said.count("") == 3


def _waiting(connection: psycopg.Connection) -> int:
    [row] = connection.execute(
        "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database())"
    ).fetchall()
    return int(row[0])


def test_a_database_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(StoreError, match=r"database: .*(refused|failed)") as told:
        asyncio.run(migrate("postgresql://x:secret@127.0.0.1:1/x"))

    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


async def test_migrations_run_on_debians_postgresql_15(debian_postgres_url: str) -> None:
    assert "0001_hub.sql" in await migrate(debian_postgres_url)
    assert await migrate(debian_postgres_url) == []


async def test_what_is_copied_is_what_stands_there(store: Store) -> None:
    columns = (
        "a bigint, b integer, c smallint, d float, e text, f bytea, g uuid, h timestamptz,"
        " i text[], j bigint[]"
    )
    at = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    rows: list[tuple[object, ...]] = [
        (
            *(-(2**63), 2**31 - 1, -1, 0.1, 'ä\t\\N\n"', b"\0\xff", UUID(int=7), at),
            *(("a,b", '{"}', "", "NULL"), [0, 2**63 - 1]),
        ),
        (None,) * 10,
    ]
    async with store.transaction() as connection:
        typed = columns.replace("float", "double precision")
        await connection.execute(f"create temporary table copied ({typed})".encode())
        await copy_rows(connection, "copied", columns, rows)
        cursor = await connection.execute("select * from copied")
        found = [tuple(row.values()) for row in await cursor.fetchall()]

    assert found == [(*rows[0][:8], ["a,b", '{"}', "", "NULL"], [0, 2**63 - 1]), rows[1]]


@pytest.mark.parametrize(
    ("kind", "value"), [("bigint", 2**63), ("smallint", 2**15), ("text", "\ud800"), ("text", "\0")]
)
async def test_a_value_that_its_column_cannot_hold_is_refused(
    store: Store, kind: str, value: object
) -> None:
    async with store.transaction() as connection:
        await connection.execute(f"create temporary table copied (a {kind})".encode())
        with pytest.raises(RefusedError):
            async with savepoint(connection):
                await copy_rows(connection, "copied", f"a {kind}", [(value,)])
        await copy_rows(connection, "copied", f"a {kind}", [(None,)])
