"""Appending rows to tables: many by COPY, a few of several tables in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

from psycopg import AsyncRawCursor

from shared.store.copying import COPY_END, COPY_HEAD, UnfitError, copy_bytes, copy_columns
from shared.store.postgres import Connection, RefusedError
from shared.turns import in_turns

_FEW = 12  # rows, up to which one statement costs less than a COPY each
_AT_ONCE = 100


class Rows(NamedTuple):
    """What a table gets; `columns` as "name type, name type"."""

    table: str
    columns: str
    rows: Sequence[Sequence[object]]


async def insert_rows(
    connection: Connection,
    tables: Iterable[Rows],
    also: Sequence[tuple[LiteralString, Sequence[object]]] = (),
) -> list[dict[str, Any]]:
    """Append rows to tables, of which none refers to another's.

    Args:
        also: what else is written meanwhile: statements with their parameters, of which the last
            returns something.
    Returns: what the last of those returned.
    Raises: as `copy_rows`.
    """
    filled = [it for it in tables if it.rows]
    if sum(len(it.rows) for it in filled) > _FEW:
        for it in filled:
            await copy_rows(connection, *it)
        filled = []
    if not filled and not also:
        return []
    values = [value for it in filled for row in it.rows for value in row]
    shapes = tuple((it.table, it.columns, len(it.rows)) for it in filled)
    cursor = AsyncRawCursor(connection)
    await cursor.execute(
        _statement(shapes, tuple(statement for statement, _ in also)),
        [
            *(list(it) if isinstance(it, tuple) else it for it in values),
            *(value for _, more in also for value in more),
        ],
    )
    return await cursor.fetchall() if also else []


@lru_cache(maxsize=256)
def _statement(shapes: tuple[tuple[str, str, int], ...], also: tuple[str, ...]) -> bytes:
    """Of (table, its columns, how many rows) each. With PostgreSQL's own placeholders: psycopg
    would look for its own anew in each statement that has many."""
    parts = []
    for table, columns, count in shapes:
        row = ", ".join(f"%s::{column.split()[1]}" for column in columns.split(","))
        names = ", ".join(copy_columns(columns))
        rows = "values " + ", ".join([f"({row})"] * count)
        parts.append(f"of_{table} as (insert into {table} ({names}) {rows})")
    parts += [f"also_{number} as ({statement})" for number, statement in enumerate(also, start=1)]
    last = f" * from also_{len(also)}" if also else ""
    first, *others = f"with {', '.join(parts)} select{last}".split("%s")
    numbered = (f"${number}{other}" for number, other in enumerate(others, start=1))
    return "".join((first, *numbered)).encode()


async def copy_rows(
    connection: Connection, table: str, columns: str, rows: Sequence[Sequence[object]]
) -> None:
    """Append rows; `columns` as "name type, name type".

    Raises: RefusedError, for a value that its column's type cannot hold; what PostgreSQL refuses
    stays its own error (see `refusals`).
    """
    if not rows:
        return
    octets = bytearray(COPY_HEAD)
    try:
        await in_turns(lambda some: octets.extend(copy_bytes(columns, some)), rows, _AT_ONCE)
    except UnfitError as error:
        raise RefusedError(f"{table}: {error}") from error
    octets += COPY_END
    names = ", ".join(copy_columns(columns))
    async with connection.cursor() as cursor:
        statement = f"copy {table} ({names}) from stdin (format binary)".encode()
        async with cursor.copy(statement) as copy:
            await copy.write(octets)
