"""Site keys: shown once, replaced with an overlap, revoked at once; only digests are kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sites import AdminError, Site
from shared.store.postgres import Connection, Store

_KEY = re.compile(r"pt_[A-Za-z0-9_-]{43}")
_UNKNOWN = "unknown site key; Authorization: Bearer pt_… is wanted"
_REMEMBERED_S = 60.0
_MOST_REMEMBERED = 10_000
_LOOK_UP = """
    select k.id as key_id, s.id, s.name, s.customer_id, k.revoked_at, k.ends_at,
        k.ends_at <= clock_timestamp() as ended,
        coalesce(k.last_used_at < now() - interval '1 minute', true) as note_use
    from site_key k join site s on s.id = k.site_id
    where k.digest = %s
"""
# of a transaction until whose end nobody revokes the key
HOLD_KEY = """
    select revoked_at, ends_at, ends_at <= clock_timestamp() as ended,
        coalesce(last_used_at < now() - interval '1 minute', true) as note_use
    from site_key where id = %(key)s for key share
"""


@dataclass(frozen=True)
class Caller:
    """Who asks: a site, by one of its keys."""

    site: Site
    key_id: int


class KeyRefusedError(Exception):
    """No key, or none in force; the text says which, and what to do."""


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def key_in(authorization: str) -> str:
    """The key in an Authorization header. Raises: KeyRefusedError, where it can be none."""
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not _KEY.fullmatch(key):
        raise KeyRefusedError("no site key; Authorization: Bearer pt_… is wanted")
    return key


async def caller_of(store: Store, digest: bytes) -> Caller:
    """Whose key it is. That a key is used, or is tried when it is no longer in force, is noted.

    Raises: KeyRefusedError, StoreError.
    """
    async with store.statements() as connection:
        row = await (await connection.execute(_LOOK_UP, (digest,))).fetchone()
        if row is None:
            raise KeyRefusedError(_UNKNOWN)
        refused = refusal((row["revoked_at"], row["ends_at"], row["ended"]))
        if refused:
            await connection.execute(
                "update site_key set refused_at = now(), refused = refused + 1 where id = %s",
                (row["key_id"],),
            )
        elif row["note_use"]:
            await note_use(connection, row["key_id"])
    if refused:
        raise KeyRefusedError(refused)
    return Caller(Site(row["id"], row["name"], row["customer_id"]), row["key_id"])


class Callers:
    """Whose keys were looked up lately: for what looks at the key again before it does anything."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._store, self._now = store, now
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, digest: bytes) -> Caller:
        """Raises: as `caller_of`."""
        known = self._known.get(digest)
        if known and self._now() - known[0] < _REMEMBERED_S:
            return known[1]
        caller = await caller_of(self._store, digest)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = self._now(), caller
        return caller

    async def look_again(self, refused: Caller) -> None:
        """Forget a key that is no longer in force; that it was tried is noted. Raises: as
        `caller_of`."""
        for digest in [it for it, (_, caller) in self._known.items() if caller == refused]:
            del self._known[digest]
            await caller_of(self._store, digest)


async def note_use(connection: Connection, key_id: int) -> None:
    await connection.execute("update site_key set last_used_at = now() where id = %s", (key_id,))


def refusal(key: tuple[datetime | None, datetime | None, bool | None] | None) -> str | None:
    """Why a key is refused, by when it was revoked, when it ends, and whether it has ended."""
    if key is None:
        return _UNKNOWN
    revoked_at, ends_at, ended = key
    if revoked_at:
        return f"this site key was revoked at {_told(revoked_at)}; ask for a new one"
    if ends_at and ended:
        return f"this site key ended at {_told(ends_at)}; put the newer one in its place"
    return None


def _told(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


async def add_key(
    store: Store, site: Site, label: str = "", *, overlap: timedelta | None = None
) -> str:
    """A new key, which is shown this once.

    Args:
        overlap: how long those in force stay so; None: until they are revoked.

    Raises: AdminError, for a label that is none.
    """
    if len(label) > 80 or not label.isprintable():
        raise AdminError("a key's label is one line of at most 80 characters")
    key = "pt_" + secrets.token_urlsafe(32)
    async with store.transaction() as connection:
        if overlap is not None:
            await connection.execute(
                "update site_key set ends_at = least(ends_at, now() + %s)"
                " where site_id = %s and revoked_at is null",
                (overlap, site.id),
            )
        await connection.execute(
            "insert into site_key (site_id, digest, label) values (%s, %s, %s)",
            (site.id, digest_of(key), label),
        )
    return key


async def keys(store: Store, site: Site) -> list[dict[str, Any]]:
    """A site's keys by their number, as the columns are; `refused`: tries after its end."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select id, label, created_at, last_used_at, ends_at, revoked_at, refused, refused_at"
            " from site_key where site_id = %s order by id",
            (site.id,),
        )
        return await cursor.fetchall()


async def revoke_keys(
    store: Store, site: Site, key: str | None = None, *, key_id: int | None = None
) -> int:
    """Revoke one key of the site, or all; how many that were. A batch that is being stored ends
    first, and none is stored after this."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select id from site_key where site_id = %s and revoked_at is null"
            " and digest = coalesce(%s, digest) and id = coalesce(%s, id) order by id for update",
            (site.id, digest_of(key) if key else None, key_id),
        )
        found = [row["id"] for row in await cursor.fetchall()]
        await connection.execute(
            "update site_key set revoked_at = now() where id = any(%s)", (found,)
        )
    return len(found)
