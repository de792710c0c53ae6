"""What the hub knows as a batch comes in, asked for in one statement once the site is locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.ingest.check import Checked
from services.ingest.clock import Clocks, Contact, usable
from services.ingest.clock_rows import KNOWN_CONTACTS, NOTE_CONTACT, clocks_around
from services.ingest.envelope import Batch
from services.ingest.keys import HOLD_KEY, Caller, KeyRefusedError, note_use, refusal
from services.ingest.lists import json_array
from services.ingest.sites import Site
from services.ingest.spools import NOTE_SPOOL, refuse_scattered, told_of_spool
from shared.store.postgres import Connection

_WITH = f"with {NOTE_CONTACT}, contact as ({KNOWN_CONTACTS}), own_key as ({HOLD_KEY}), {NOTE_SPOOL}"
_HEARD = """
    select 'key' as of, ended as flag, note_use::integer as number, revoked_at as at,
        ends_at as until, null::uuid as id, null::bytea as digest, null::json as told
    from own_key
    union all
    select 'spool', null, null, null, null, null, null, row_to_json(noted_spool) from noted_spool
    union all
    select 'contact', own, last, sent_at, arrived_at, null, null, null from contact
    union all
    select 'outcome', null, null, null, null, id, digest, null
    from outcome where site_id = %(site)s
        and id = any(array(select json_array_elements_text(%(ids)s::json)::uuid))
    union all
    select 'rejected', null, null, null, null, null, null, null
    where exists (select from rejected where site_id = %(site)s and settled_at is null)
"""


# psycopg remembers what it made of a statement up to 4,096 octets
_QUESTION = " ".join((_WITH + _HEARD).split())


@dataclass(frozen=True)
class Heard:
    clocks: Clocks
    digests: dict[UUID, bytes]  # of the messages that the hub has already
    any_rejected: bool  # some message of the site's waits for its like to be accepted
    spool: Mapping[str, Any]  # as NOTE_SPOOL gives it


async def hear(
    connection: Connection, caller: Caller, batch: Batch, checked: Sequence[Checked], now: datetime
) -> Heard:
    """Keep what the site's clock showed as it sent a batch, and the batch's numbers, and give what
    is known.

    Nobody revokes the key until this transaction has ended. Raises: KeyRefusedError, BatchError.
    """
    sent_at = usable(batch.sent_at)
    cursor = await connection.execute(
        _QUESTION,
        {
            "site": caller.site.id,
            "key": caller.key_id,
            "spool": batch.spool,
            "n": min((line.n for line in batch.lines), default=batch.last + 1),
            "arrived": batch.arrived_at,
            "sent": sent_at,
            "last": batch.last,
            "ids": json_array(_ids(checked)),
            **told_of_spool(batch, now),
        },
    )
    key, spool, contacts, digests, any_rejected = None, {}, [], {}, False
    for row in await cursor.fetchall():
        if row["of"] == "key":
            key = row
        elif row["of"] == "spool":
            spool = row["told"]
        elif row["of"] == "contact":
            last = row["number"] if row["flag"] else None
            contacts.append(Contact(row["at"], row["until"], last))
        elif row["of"] == "outcome":
            digests[row["id"]] = bytes(row["digest"])
        else:
            any_rejected = True
    because = refusal((key["at"], key["until"], key["flag"]) if key else None)
    if because or not key:
        raise KeyRefusedError(because)
    if key["number"]:
        await note_use(connection, caller.key_id)
    refuse_scattered(batch, spool)
    if sent_at is None:
        return Heard(Clocks(batch.arrived_at, []), digests, any_rejected, spool)
    contacts.sort(key=lambda each: each.hub_at)
    contacts.append(Contact(sent_at, batch.arrived_at, batch.last))
    return Heard(Clocks(batch.arrived_at, contacts), digests, any_rejected, spool)


async def heard_of(
    connection: Connection,
    site: Site,
    spool: UUID,
    n: int,
    checked: Sequence[Checked],
    now: datetime,
) -> Heard:
    """What is known where nothing comes in: a message that was set aside is looked at again."""
    clocks = await clocks_around(connection, site, spool, n, now)
    cursor = await connection.execute(
        "select id, digest from outcome where site_id = %s and id = any(%s)",
        (site.id, _ids(checked)),
    )
    digests = {row["id"]: bytes(row["digest"]) for row in await cursor.fetchall()}
    return Heard(clocks, digests, any_rejected=True, spool={})


def _ids(checked: Sequence[Checked]) -> list[UUID]:
    return [one.id for one in checked if one.message]
