"""The store against a real PostgreSQL: migrations, append-only messages, errors in words."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import psycopg
import pytest

from shared.store.postgres import _MIGRATION_LOCK, StoreError, migrate
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
