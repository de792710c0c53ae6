"""What was set aside: listed, shown, and tried again after the hub was mended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from services.ingest.accept import take_in
from services.ingest.check import check_lines
from services.ingest.envelope import Batch, Line
from services.ingest.hearing import heard_of
from services.ingest.ledger import lock_ledger
from services.ingest.sites import AdminError, Site
from shared.store.postgres import Connection, Store

_LIST = """
    select s.name as site, a.* from (
        select no, site_id, 'rejected' as what, spool::text || ' no. ' || n as came_as, type,
            octet_length(body) as bytes, received_at, reason, settled_at, settled_by
        from rejected where site_id = any(%(sites)s)
        union all
        select no, site_id, 'other body', 'id ' || id, null, octet_length(body), first_at,
            'came ' || times || ' times; the first that came with this id is stored', null, null
        from conflicting where site_id = any(%(sites)s)
    ) a join site s on s.id = a.site_id
    where %(settled)s or settled_at is null
    order by a.no
"""
_BODY = """
    select body from rejected where no = %(no)s and settled_at is null
    union all
    select m.body from rejected r
    join outcome o on o.site_id = r.site_id and o.id = r.settled_by
    join message m on m.site_id = o.site_id and m.ledger_no = o.ledger_no
        and m.received_at = o.received_at
    where r.no = %(no)s
    union all
    select body from conflicting where no = %(no)s
"""
_ONE = """
    select r.spool, r.n, r.type, r.body, r.digest, r.settled_at, s.id, s.name, s.customer_id
    from rejected r join site s on s.id = r.site_id where r.no = %s
"""


async def set_aside_of(
    store: Store, sites: Sequence[Site], *, settled: bool = False
) -> list[dict[str, Any]]:
    """By number; those that are settled only where they are asked for."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            _LIST, {"sites": [site.id for site in sites], "settled": settled}
        )
        return [
            {name: value for name, value in row.items() if name != "site_id"}
            for row in await cursor.fetchall()
        ]


async def body_of(store: Store, no: int) -> str:
    """A body as it came, with nothing in it that a terminal would obey. Raises: AdminError."""
    async with store.transaction() as connection:
        row = await (await connection.execute(_BODY, {"no": no})).fetchone()
    if row is None:
        raise _not_there(no)
    text = bytes(row["body"]).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text
    )


async def try_again(store: Store, no: int) -> str:
    """Take a rejected message in as if it came now; what became of it, in words.

    Raises: AdminError, where there is nothing to try; StoreError.
    """
    async with store.transaction() as connection:
        row = await (await connection.execute(_ONE, (no,))).fetchone()
        if row is None:
            raise _not_there(no)
        site = Site(row["id"], row["name"], row["customer_id"])
        ledger, now = await lock_ledger(connection, site)
        line = await _line(connection, no)
        checked = check_lines([line], site.name, set())
        heard = await heard_of(connection, site, row["spool"], line.n, checked, now)
        batch = Batch(row["spool"], line.n, line.n, now, now, [line])
        came = await take_in(connection, site, batch, heard, ledger, checked, now)
        if came.rejected:
            reason = came.rejected[0].reason
            await connection.execute("update rejected set reason = %s where no = %s", (reason, no))
            return f"rejected again: {reason}"
    if came.conflicting:
        return "stays set aside: its id is stored with another body"
    return "accepted" if came.accepted else "was stored already"


async def _line(connection: Connection, no: int) -> Line:
    """Read once this transaction is alone at the site's ledger."""
    row = await (await connection.execute(_ONE, (no,))).fetchone()
    assert row is not None, "what was set aside stays"
    if row["settled_at"]:
        raise AdminError(f"no. {no} was settled on {row['settled_at']:%Y-%m-%d %H:%M} UTC")
    body = bytes(row["body"])
    if hashlib.sha256(body).digest() != row["digest"]:
        raise AdminError(
            f"no. {no}: only its first {len(body)} bytes are kept here; send it again at its site:"
            f" pagetally sent --again {row['n']}"
        )
    return Line(row["n"], row["type"], body)


def _not_there(no: int) -> AdminError:
    return AdminError(f"nothing rejected has the number {no}; see pagetally admin rejected")
