"""A site's scope in the database: the newest version is in force, all versions are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_jsonable_python

from shared.decode import MessageError, decode
from shared.scope import Scope
from shared.store.postgres import Connection, Store

NO_SCOPE = Scope(version=0, author="nobody", changed_at=datetime(1970, 1, 1, tzinfo=UTC))


class ScopeError(Exception):
    """What was asked for is no scope; one line says why."""


class StaleScopeError(ScopeError):
    """The scope was changed since it was looked at."""


async def newest_scope(connection: Connection, site_id: int) -> tuple[int, bytes] | None:
    """The version and JSON of the site's scope; None where none was set."""
    rows = await connection.execute(
        "select version, body from scope where site_id = %s order by version desc limit 1",
        (site_id,),
    )
    row = await rows.fetchone()
    return (int(row["version"]), bytes(row["body"])) if row else None


async def scope_in_force(connection: Connection, site_id: int) -> Scope:
    """NO_SCOPE where none was set. Raises: ScopeError, where it is one of a newer Pagetally."""
    newest = await newest_scope(connection, site_id)
    if newest is None:
        return NO_SCOPE
    try:
        scope = decode(Scope.routing_key, newest[1])
    except MessageError as error:
        raise ScopeError(f"scope {newest[0]} cannot be read by this Pagetally: {error}") from None
    assert isinstance(scope, Scope)
    return scope


async def set_scope(
    store: Store, site_id: int, fields: Mapping[str, Any], *, author: str, now: datetime
) -> Scope:
    """A new version of the site's scope; `version`, `author` and `changed_at` are set here.

    Raises: ScopeError, where the fields are not a scope's.
    """
    async with store.transaction() as connection:
        await _lock(connection, site_id)
        newest = await newest_scope(connection, site_id)
        version = newest[0] + 1 if newest else 1
        return await _write(connection, site_id, fields, version, author, now)


async def change_scope(
    store: Store,
    site_id: int,
    change: Callable[[Scope], Scope],
    *,
    author: str,
    now: datetime,
    looked_at: int | None = None,
) -> tuple[Scope, Scope]:
    """A new version, made by `change` from the one in force: the scope before, and the one after.

    What changes nothing makes no version; the same scope is given twice.

    Args:
        looked_at: the version that the person saw; None: what is in force is changed whatever it
            is by then.

    Raises: StaleScopeError, where another version is in force; ScopeError; what `change` raises.
    """
    async with store.transaction() as connection:
        await _lock(connection, site_id)
        before = await scope_in_force(connection, site_id)
        if looked_at not in (None, before.version):
            raise StaleScopeError(
                f"scope {before.version} was set meanwhile by {before.author}; "
                f"this change was made from scope {looked_at}, and nothing of it was saved"
            )
        after = change(before)
        if after == before:
            return before, before
        fields = json.loads(after.to_json())
        return before, await _write(connection, site_id, fields, before.version + 1, author, now)


async def _lock(connection: Connection, site_id: int) -> None:
    """One change at a time."""
    await connection.execute("select 1 from site where id = %s for no key update", (site_id,))


async def _write(
    connection: Connection,
    site_id: int,
    fields: Mapping[str, Any],
    version: int,
    author: str,
    now: datetime,
) -> Scope:
    """Raises: ScopeError, for what a site could not read."""
    whole = {**fields, "version": version, "author": author, "changed_at": now}
    try:
        body = json.dumps(whole, default=to_jsonable_python, ensure_ascii=False).encode()
        scope = decode(Scope.routing_key, body)
    except ValueError as error:
        raise ScopeError(f"not a scope: {error}") from None
    assert isinstance(scope, Scope)
    await connection.execute(
        "insert into scope (site_id, version, author, changed_at, body)"
        " values (%s, %s, %s, %s, %s)",
        (site_id, version, scope.author, scope.changed_at, scope.to_json()),
    )
    return scope
