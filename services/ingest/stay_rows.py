"""Writing where devices were, and which MAC addresses they had: the table device_stay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.ingest.sites import Site
from services.ingest.stays import Seen, stays_of
from shared.identity import usable_mac
from shared.store.insert import copy_rows
from shared.store.postgres import Connection

_AT_ONCE = 100
_LONGEST = 256  # letters of a value; a longer target is in its reads only
_COLUMNS = (
    "device_id bigint, site_id bigint, kind text, value text, model text, first_at timestamptz,"
    " first_round uuid, last_at timestamptz, last_round uuid, instead_of text"
)
_READS = """
    select e.device_id, r.round_id, r.billed_at, r.target, r.mac, r.model
    from evidence e join read r on r.site_id = e.site_id and r.id = e.read_id
    where e.site_id = %s and e.device_id = any(%s)
"""

# (device, kind)
_Kind = tuple[int, str]


async def make_all_stays(connection: Connection, site: Site) -> None:
    await connection.execute("delete from device_stay where site_id = %s", (site.id,))
    cursor = await connection.execute(
        "select distinct device_id from evidence where site_id = %s and device_id is not null",
        (site.id,),
    )
    devices = [row["device_id"] for row in await cursor.fetchall()]
    for first in range(0, len(devices), _AT_ONCE):
        await make_stays(connection, site.id, devices[first : first + _AT_ONCE])


async def make_stays(connection: Connection, site_id: int, devices: Collection[int]) -> None:
    """Make devices' stays anew from all reads that are theirs."""
    if not devices:
        return
    ids = list(devices)
    await connection.execute(
        "delete from device_stay where site_id = %s and device_id = any(%s)", (site_id, ids)
    )
    seen: dict[_Kind, list[Seen]] = {}
    cursor = await connection.execute(_READS, (site_id, ids))
    async for row in cursor:
        mac = usable_mac(row["mac"])
        shown = _seen(row["target"], mac, row["billed_at"], row["round_id"], row["model"])
        for kind, each in shown:
            seen.setdefault((row["device_id"], kind), []).append(each)
    rows = [
        (
            *(device, site_id, kind, stay.value, stay.model),
            *(stay.first.at, stay.first.round_id),
            *((stay.last.at, stay.last.round_id) if stay.over else (None, None)),
            stay.instead_of,
        )
        for (device, kind), values in seen.items()
        for stay in stays_of(values)
    ]
    await copy_rows(connection, "device_stay", _COLUMNS, rows)


def standing_place(target: str) -> str | None:
    """Where a device stands; a spooler's queue is no such place."""
    return None if target.startswith("spooled:") or len(target) > _LONGEST else target


def _seen(
    target: str, mac: str | None, at: datetime, round_id: UUID, model: str | None
) -> list[tuple[str, Seen]]:
    """(kind, what was seen)"""
    place = standing_place(target)
    values = [(place.partition(":")[0], place)] if place else []
    if mac:
        values.append(("mac", mac))
    return [(kind, Seen(value, at, round_id, model)) for kind, value in values]
