"""Appending rows to tables: many by COPY, a few of several tables in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.store.copying import UnfitError, copy_bytes, copy_columns
from shared.store.postgres import Connection, RefusedError

_FEW = 12  # rows, up to which one statement costs less than a COPY each


class Rows(NamedTuple):
    """What a table gets; `columns` as "name type, name type"."""

    table: str
    columns: str
    rows: Sequence[Sequence[object]]


async def insert_rows(connection: Connection, tables: Iterable[Rows]) -> None:
    """Append rows to tables, of which none refers to another's.

    Raises: as `copy_rows`.
    """
    filled = [it for it in tables if it.rows]
    if 0 < sum(len(it.rows) for it in filled) <= _FEW:
        values = [value for it in filled for row in it.rows for value in row]
        statement = _statement(tuple((it.table, it.columns, len(it.rows)) for it in filled))
        await connection.execute(
            statement, [[*value] if isinstance(value, tuple) else value for value in values]
        )
        return
    for it in filled:
        await copy_rows(connection, *it)


@lru_cache(maxsize=256)
def _statement(tables: tuple[tuple[str, str, int], ...]) -> bytes:
    """Of (table, its columns, how many rows) each."""
    inserts = []
    for table, columns, count in tables:
        row = ", ".join(f"%s::{column.split()[1]}" for column in columns.split(","))
        names = ", ".join(copy_columns(columns))
        rows = "values " + ", ".join([f"({row})"] * count)
        inserts.append(f"of_{table} as (insert into {table} ({names}) {rows})")
    return f"with {', '.join(inserts)} select".encode()


async def copy_rows(
    connection: Connection, table: str, columns: str, rows: Sequence[Sequence[object]]
) -> None:
    """Append rows; `columns` as "name type, name type".

    Raises: RefusedError, for a value that its column's type cannot hold; what PostgreSQL refuses
    stays its own error (see `refusals`).
    """
    try:
        octets = copy_bytes(columns, rows)
    except UnfitError as error:
        raise RefusedError(f"{table}: {error}") from error
    names = ", ".join(copy_columns(columns))
    async with connection.cursor() as cursor:
        statement = f"copy {table} ({names}) from stdin (format binary)".encode()
        async with cursor.copy(statement) as copy:
            await copy.write(octets)
