"""What the hub knows of the devices that a batch's reads show: asked for in one statement."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from services.ingest.identity import KnownDevice, Sighting
from services.ingest.lists import json_array
from services.ingest.sites import Site
from services.ingest.stay_rows import KnownStay
from services.ingest.waiting import Waiting
from shared.identity import usable_mac
from shared.store.postgres import Connection, bare_rows

# their reads of the same rounds that were placed before
_PLACED = """
    select 'placed', d.id, d.key, r.target, r.mac, r.model, r.billed_at, null, r.round_id, r.id,
        null
    from read r
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
    join device d on d.id = e.device_id
    where r.site_id = %(site)s and r.round_id = any(%(rounds)s)
        and d.key = any(array(select json_array_elements_text(%(keys)s::json)))
"""
# `offset 0`: row by row through the index, also where the planner has no statistics yet
_AROUND = """
    with known as materialized (
        select * from device where customer_id = %(customer)s
            and key = any(array(select json_array_elements_text(%(keys)s::json)))
    )
    select 'device', d.id, d.key, d.held_as, d.held_because, null::text, d.held_at,
        d.first_read_at, null::uuid, null::uuid, a.site_id
    from known d left join lateral (
        select site_id from assignment where device_id = d.id and to_at = 'infinity' offset 0
    ) a on true
    union all
    select 'stay', d.id, s.kind, s.value, null, s.model, s.first_at, s.last_at, s.last_round,
        null, null
    from known d cross join lateral (
        select * from device_stay where device_id = d.id and site_id = %(site)s
            and (last_at is null or last_round = any(%(rounds)s)) offset 0
    ) s
    union all
    select 'waiting', d.id, d.key, o.key, d.held_because, null, null, null, null, null, o.id
    from (
        select * from device
        where customer_id = %(customer)s and instead_of is not null offset 0
    ) d
    join device o on o.id = d.instead_of
    join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    where a.site_id = %(site)s
    union all
"""


@dataclass
class Around:
    """Of devices with some keys: what is known of them, and of their reads in some rounds."""

    ids: dict[str, int] = field(default_factory=dict)  # by key
    known: dict[str, KnownDevice] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)  # when they were read first
    stays: list[KnownStay] = field(default_factory=list)
    placed: list[Sighting] = field(default_factory=list)  # before, in the same rounds
    waiting: list[Waiting] = field(default_factory=list)  # whoever else waits at the site


async def around(
    connection: Connection, site: Site, keys: Collection[str], rounds: Collection[UUID]
) -> Around:
    found = Around()
    for of, id_, key, value, text, model, at, until, round_id, read_id, other in await _rows(
        connection, _AROUND + _PLACED, site, keys, rounds
    ):
        match of:
            case "device":
                found.ids[key] = id_
                found.known[key] = KnownDevice(other, text, value, at)
                found.since[key] = until
            case "stay":
                found.stays.append(KnownStay(id_, key, value, model, at, until is None, round_id))
            case "placed":
                found.placed.append(
                    Sighting(read_id, round_id, value, usable_mac(text), model, key, at)
                )
            case "waiting":
                found.waiting.append(Waiting(id_, key, text, other, value))
    return found


async def placed_before(
    connection: Connection, site: Site, keys: Collection[str], rounds: Collection[UUID]
) -> list[Sighting]:
    return [
        Sighting(read_id, round_id, target, usable_mac(mac), model, key, at)
        for _, _, key, target, mac, model, at, _, round_id, read_id, _ in await _rows(
            connection, _PLACED, site, keys, rounds
        )
    ]


async def _rows(
    connection: Connection,
    statement: LiteralString,
    site: Site,
    keys: Collection[str],
    rounds: Collection[UUID],
) -> list[tuple[Any, ...]]:
    asked = {
        "customer": site.customer_id,
        "site": site.id,
        "keys": json_array(keys),
        "rounds": list(rounds),
    }
    return await bare_rows(connection, statement, asked)
