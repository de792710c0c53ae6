"""Writing where devices were, and which MAC addresses they had: the table device_stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from services.ingest.identity import Sighting
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


class KnownStay(Struct, frozen=True, gc=False):
    """One that lasts, or ended with a round that is asked about."""

    device_id: int
    kind: str
    value: str
    model: str | None
    first_at: datetime
    lasts: bool
    last_round: UUID | None


async def note_stays(
    connection: Connection,
    site: Site,
    placed: Iterable[tuple[int, Sighting]],
    known: Iterable[KnownStay],
) -> None:
    """Note what was seen of devices whose reads were placed just now.

    Args:
        known: their stays so far, as far as they last or ended with a round of these reads.
    """
    near: dict[_Kind, list[KnownStay]] = {}
    for stay in known:
        near.setdefault((stay.device_id, stay.kind), []).append(stay)
    changed = {
        device
        for device, it in placed
        for kind, each in _seen(it.target, it.mac, it.billed_at, it.round_id, it.model)
        if not _as_before(each, near.get((device, kind), ()))
    }
    await make_stays(connection, site.id, changed)


def _as_before(each: Seen, near: Iterable[KnownStay]) -> bool:
    """Whether a device is where it was, or has the MAC address that it had: as most are."""
    found = False
    for stay in near:
        other = stay.value != each.value
        if (other and stay.lasts) or stay.last_round == each.round_id:
            return False
        told = each.model is None or (stay.model is not None and stay.model <= each.model)
        found = found or (not other and stay.lasts and stay.first_at <= each.at and told)
    return found


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


def _seen(
    target: str, mac: str | None, at: datetime, round_id: UUID, model: str | None
) -> list[tuple[str, Seen]]:
    """(kind, what was seen); a spooler's queue is no place where a device stands."""
    kind = target.partition(":")[0]
    values = [(kind, target)] if kind != "spooled" and len(target) <= _LONGEST else []
    if mac:
        values.append(("mac", mac))
    return [(kind, Seen(value, at, round_id, model)) for kind, value in values]
