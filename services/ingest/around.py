"""What the hub knows of the devices that a batch's reads show: asked for in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from services.ingest.identity import KnownDevice, Sighting, key_of_mac
from services.ingest.lists import json_array
from services.ingest.sites import Site
from services.ingest.stay_rows import standing_place
from services.ingest.waiting import Waiting
from shared.identity import usable_mac
from shared.store.postgres import Connection, bare_rows

# their reads of the same rounds that were placed before
_PLACED = """
    select 'placed', d.id, d.key, r.target, r.mac, r.model, r.billed_at, null, r.round_id, r.id,
        null, null, null, null
    from read r
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
    join device d on d.id = e.device_id
    where r.site_id = %(site)s and r.round_id = any(%(rounds)s)
        and d.key = any(array(select json_array_elements_text(%(keys)s::json)))
"""
# `same`: all that a device shows is as in its reads before. A stay that ended with the round of a
# read may have to go on with it. `offset 0`: row by row through the index, also where the planner
# has no statistics yet.
_AROUND = """
    with shown as materialized (
        select key, place, split_part(place, ':', 1) as kind, mac, model, at::timestamptz,
            round::uuid
        from rows from (
            json_array_elements_text(%(shown)s::json), json_array_elements_text(%(places)s::json),
            json_array_elements_text(%(macs)s::json), json_array_elements_text(%(models)s::json),
            json_array_elements_text(%(instants)s::json),
            json_array_elements_text(%(of_rounds)s::json)
        ) as s (key, place, mac, model, at, round)
    ), known as materialized (
        select k.no, d.id, d.key, d.held_as, d.held_because, d.held_at, d.first_read_at, a.site_id
        from json_array_elements_text(%(keys)s::json) with ordinality as k (key, no)
        cross join lateral (
            select * from device where customer_id = %(customer)s and key = k.key offset 0
        ) d
        left join lateral (
            select site_id from assignment where device_id = d.id and to_at = 'infinity' offset 0
        ) a on true
    ), told as materialized (
        select k.no, min(s.at) as at, bool_and(
            (s.place is null or n.place is true) and (s.mac is null or n.mac is true)
            and n.other is not true
        ) as same
        from known k join shown s on s.key = k.key cross join lateral (
            select bool_or(lasts and kind = s.kind and value = s.place) as place,
                bool_or(lasts and kind = 'mac' and value = s.mac) as mac,
                bool_or(last_at is null and value <> shows or last_round = s.round) as other
            from (
                select *, last_at is null and first_at <= s.at
                    and (s.model is null or model <= s.model collate "C") as lasts,
                    case kind when s.kind then s.place when 'mac' then s.mac end as shows
                from device_stay where device_id = k.id and site_id = %(site)s offset 0
            ) stay
            where shows is not null
        ) n
        group by k.no
    ), judged as materialized (
        select k.*, coalesce(t.same, false) as same,
            coalesce(
                k.held_because is null and k.site_id = %(site)s and t.same
                    and t.at >= k.first_read_at,
                false
            ) as ordinary
        from known k left join told t using (no)
    )
    select 'ordinary', null::bigint, null, null, null, null::text, null::timestamptz,
        null::timestamptz, null::uuid, null::uuid, null::bigint, null::boolean,
        array_agg(id), array_agg(no)
    from judged where ordinary
    union all
    select 'device', id, key, held_as, held_because, null, held_at, first_read_at, null, null,
        site_id, same, null, null
    from judged where not ordinary
    union all
    select 'waiting', d.id, d.key, o.key, d.held_because, null, null, null, null, null, o.id,
        null, null, null
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

    asked: set[str]  # the keys
    ids: dict[str, int] = field(default_factory=dict)  # by key
    known: dict[str, KnownDevice] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)  # read first after what they show now
    same: set[str] = field(default_factory=set)  # of those that are where they were
    placed: list[Sighting] = field(default_factory=list)  # before, in the same rounds
    waiting: list[Waiting] = field(default_factory=list)  # whoever else waits at the site


async def around(connection: Connection, site: Site, sightings: Sequence[Sighting]) -> Around:
    """What is known of the devices that sightings show, by their keys and MAC addresses."""
    with_key = [it for it in sightings if it.key]
    keys = {it.key for it in with_key if it.key}
    keys |= {key_of_mac(site.name, it.mac) for it in sightings if it.mac}
    asked = list(keys)
    found = Around(keys)
    shown = {
        "shown": json_array(it.key for it in with_key),
        "places": json_array(standing_place(it.target) for it in with_key),
        "macs": json_array(it.mac for it in with_key),
        "models": json_array(it.model for it in with_key),
        "instants": json_array(it.billed_at for it in with_key),
        "of_rounds": json_array(it.round_id for it in with_key),
    }
    rounds = {it.round_id for it in sightings}
    for (
        of,
        id_,
        key,
        value,
        text,
        model,
        at,
        until,
        round_id,
        read_id,
        other,
        same,
        ids,
        nos,
    ) in await _rows(connection, _AROUND + _PLACED, site, asked, rounds, shown):
        match of:
            case "ordinary":
                ordinary = [asked[no - 1] for no in nos or ()]
                found.ids.update(zip(ordinary, ids or (), strict=True))
                found.known.update(dict.fromkeys(ordinary, KnownDevice(site.id)))
                found.same.update(ordinary)
            case "device":
                found.ids[key] = id_
                found.known[key] = KnownDevice(other, text, value, at)
                found.since[key] = until
                if same:
                    found.same.add(key)
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
        for _, _, key, target, mac, model, at, _, round_id, read_id, *_ in await _rows(
            connection, _PLACED, site, keys, rounds
        )
    ]


async def _rows(
    connection: Connection,
    statement: LiteralString,
    site: Site,
    keys: Collection[str],
    rounds: Collection[UUID],
    more: Mapping[str, str] | None = None,
) -> list[tuple[Any, ...]]:
    asked = {
        "customer": site.customer_id,
        "site": site.id,
        "keys": json_array(keys),
        "rounds": list(rounds),
        **(more or {}),
    }
    return await bare_rows(connection, statement, asked)
