"""The store against a real PostgreSQL: migrations, append-only messages, errors in words."""

from __future__ import annotations

import subprocess
import sys

from shared.store.postgres import migrate
from tests.peers.postgres import fresh_database

_MIGRATE = """
import asyncio, sys
from shared.store.postgres import migrate
print(*asyncio.run(migrate(sys.argv[1])))
"""


def test_migrations_started_by_four_processes_at_once_run_once(postgres: str) -> None:
    with fresh_database(postgres, template="template0") as url:
        started = [
            subprocess.Popen([sys.executable, "-c", _MIGRATE, url], stdout=subprocess.PIPE)
            for _ in range(4)
        ]
        said = [one.communicate(timeout=60)[0].decode().strip() for one in started]

        assert all(one.returncode == 0 for one in started)
        assert sum("0001_hub.sql" in names for names in said) == 1
        assert said.count("") == 3


async def test_migrations_run_on_debians_postgresql_15(debian_postgres_url: str) -> None:
    assert "0001_hub.sql" in await migrate(debian_postgres_url)
    assert await migrate(debian_postgres_url) == []
