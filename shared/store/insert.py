"""Appending rows to tables: many by COPY, a few of several tables in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        await connection.execute(*_statement(filled))
        return
    for it in filled:
        await copy_rows(connection, *it)


def _statement(filled: Sequence[Rows]) -> tuple[bytes, list[object]]:
    """(the statement, its parameters)"""
    inserts, values = [], []
    for it in filled:
        types = [column.split()[1] for column in it.columns.split(",")]
        row = "({})".format(", ".join(f"%s::{each}" for each in types))
        names = ", ".join(copy_columns(it.columns))
        rows = "values " + ", ".join([row] * len(it.rows))
        inserts.append(f"of_{it.table} as (insert into {it.table} ({names}) {rows})")
        flat = [value for each in it.rows for value in each]
        values += [[*value] if isinstance(value, tuple) else value for value in flat]
    return f"with {', '.join(inserts)} select".encode(), values


async def copy_rows(
    connection: Connection, table: str, columns: str, rows: Iterable[Sequence[object]]
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
