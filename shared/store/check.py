"""Whether the hub's database can be worked with, for `pagetally check`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from shared.check import Step
from shared.store.postgres import StoreError, conninfo_of, in_words, migration_names
from shared.store.tls import is_on_this_box

_OLDEST = 150_000
_LEAST_FREE = 1_000_000_000
_FACTS = """
select current_database(), current_user, pg_size_pretty(pg_database_size(current_database())),
  to_regclass('migration') is not null, has_schema_privilege(current_schema(), 'create'),
  case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end,
  pg_is_in_recovery()
"""

Connection = AsyncConnection[tuple[object, ...]]


async def database(url: str) -> AsyncIterator[Step]:
    """The steps "database", "tables", "writing" and "disk"; the first that fails ends them."""
    try:
        async with await AsyncConnection.connect(
            conninfo_of(url), autocommit=True, connect_timeout=10
        ) as connection:
            async for step in _steps(connection, here=is_on_this_box(url)):
                yield step
    except StoreError as error:
        yield Step("failed", "database", str(error), "correct the …_DATABASE_URL")
    except psycopg.Error as error:
        yield Step(
            "failed",
            "database",
            in_words(error),
            "is it up? are host, user, password and database in its URL right?",
        )


async def _steps(connection: Connection, *, here: bool) -> AsyncIterator[Step]:
    info = connection.info
    where = f"{info.host}:{info.port}" if not info.host.startswith("/") else info.host
    version = f"PostgreSQL {info.server_version // 10_000}"
    if info.server_version < _OLDEST:
        yield Step("failed", "database", f"{where}: {version}", "15 or newer is needed")
        return
    found = await (await connection.execute(_FACTS)).fetchone()
    assert found is not None
    name, user, size, has_tables, may_create, folder, is_copy = found
    tls = "on this box" if here else "TLS, verified"
    yield Step("ok", "database", f"{where}: {version}, {name!r} as {user!r}, {size}, {tls}")
    if is_copy:
        said = "this is a standby, which takes no writes"
        yield Step("failed", "writing", said, "name the primary in the URL")
        return
    yield await _tables(connection, has_tables=bool(has_tables), may_create=bool(may_create))
    yield await _writing(connection)
    yield _disk(str(folder) if here and folder else None)


async def _tables(connection: Connection, *, has_tables: bool, may_create: bool) -> Step:
    done: set[object] = set()
    if has_tables:
        rows = await (await connection.execute("select name from migration")).fetchall()
        done = {name for (name,) in rows}
    wanted = migration_names()
    newer = sorted(str(name) for name in done - set(wanted))
    if newer:
        return Step(
            "failed",
            "tables",
            f"a newer Pagetally made them: {', '.join(newer[:4])}",
            "update this box: older services must not write there",
        )
    lacking = [name for name in wanted if name not in done]
    if not lacking:
        return Step("ok", "tables", f"up to date, {wanted[-1]}")
    if may_create:
        return Step("ok", "tables", f"{len(lacking)} migrations run when a service starts")
    return Step(
        "failed",
        "tables",
        f"{len(lacking)} migrations have not run, and this user may create no tables",
        "grant it create on the schema public",
    )


async def _writing(connection: Connection) -> Step:
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute("create table pagetally_check (n integer)")
            await connection.execute("insert into pagetally_check values (1)")
    except psycopg.Error as error:
        return Step("failed", "writing", in_words(error), "may this user write? is its disk full?")
    return Step("ok", "writing", "a row was written, and taken back")


def _disk(folder: str | None) -> Step:
    if folder is None or not Path(folder).exists():
        return Step("skipped", "disk", "the database's disk cannot be seen from here")
    free = shutil.disk_usage(folder).free
    said = f"{free // 1_000_000} MB free under {folder}"
    if free < _LEAST_FREE:
        return Step("failed", "disk", said, "make room: a database without room takes no reads")
    return Step("ok", "disk", said)
