"""Deciding of devices whose reads are held: what a person says, written beside the reads."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.entered import Author
from services.ingest.ledger import Ledger, lock_ledger
from services.ingest.sites import AdminError, Site, site_named
from services.ingest.waiting import give_back, unlock
from shared.store.postgres import Connection, Store

_HELD = """
    select d.id, s.name as site, d.key, d.held_as, d.held_at, o.key as instead_of, d.held_because
    from device d
    join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    join site s on s.id = a.site_id
    left join device o on o.id = d.instead_of
    where d.held_because is not null order by s.name, d.key
"""
_ONE = """
    select d.held_as, d.held_because, s.id, s.name, s.customer_id
    from device d
    join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    join site s on s.id = a.site_id
    where d.id = %s and d.held_because is not null
"""

_INSERT = """
    insert into decision (device_id, held_as, held_because, site_id, author, reason, decided_at,
        ledger_site_id, ledger_no, body, digest)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


class _Decided(msgspec.Struct):
    device_id: int
    held_as: str | None
    held_because: str
    site_id: int  # where it belongs from now on
    author: str
    reason: str
    decided_at: datetime


async def held_devices(store: Store) -> list[dict[str, Any]]:
    """id, site, key, held_as, held_at, instead_of, held_because; by site and key."""
    async with store.transaction() as connection:
        return await (await connection.execute(_HELD)).fetchall()


async def release(store: Store, device_id: int, author: Author, site_name: str | None) -> str:
    """Let a device's reads be billed again, as what it says it is; gives in words which.

    A serial number that was held for a new board is a device of its own from its first read on.
    Of one that two devices showed, or that showed at another site, it is from the next read on:
    whose the held ones are cannot be told.

    Args:
        site_name: where a device that showed at another site belongs from now on.
    Raises: AdminError; StoreError.
    """
    moved_to = await site_named(store, site_name) if site_name else None
    async with store.transaction() as connection:
        site, *_ = await _held_one(connection, device_id)
        ledger, now = await lock_ledger(connection, site)
        site, held_as, because = await _held_one(connection, device_id)
        if (held_as == "another_site") != (moved_to is not None):
            raise AdminError(
                "--site says where a device belongs that showed at another site, and only of that"
                f" one; {because}"
            )
        if moved_to and moved_to.customer_id != site.customer_id:
            raise AdminError(f"site {moved_to.name} is another customer's")
        decided = _Decided(
            *(device_id, held_as, because, (moved_to or site).id, author.name, author.reason, now)
        )
        await _append(connection, site, ledger, decided)
        await unlock(connection, device_id)
        if held_as == "board_replaced":
            await give_back(connection, site, device_id, because)
            return "a device of its own, from its first read on"
        if moved_to and moved_to.id != site.id:
            await _assign(connection, device_id, moved_to)
    return f"at site {(moved_to or site).name} from its next read on; the held reads stay held"


async def _append(connection: Connection, site: Site, ledger: Ledger, decided: _Decided) -> None:
    body = msgspec.json.encode(decided)
    digest = hashlib.sha256(body).digest()
    after = ledger.after(digest)
    values = (*msgspec.structs.astuple(decided), site.id, after.length, body, digest)
    await connection.execute(_INSERT, values)
    await connection.execute(
        "update site_head set length = %s, head = %s where site_id = %s",
        (after.length, after.head, site.id),
    )


async def _held_one(connection: Connection, device_id: int) -> tuple[Site, str, str]:
    row = await (await connection.execute(_ONE, (device_id,))).fetchone()
    if row is None:
        raise AdminError(f"no device {device_id} is held; see pagetally admin device held")
    return Site(row["id"], row["name"], row["customer_id"]), row["held_as"], row["held_because"]


async def _assign(connection: Connection, device_id: int, site: Site) -> None:
    await connection.execute(
        "update assignment set to_at = now() where device_id = %s and to_at = 'infinity'",
        (device_id,),
    )
    await connection.execute(
        "insert into assignment (device_id, site_id, from_at) values (%s, %s, now())",
        (device_id, site.id),
    )
