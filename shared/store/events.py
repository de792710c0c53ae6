"""Where devices stood, and what was noticed of those that are not where, or not what, they were."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.store.overview import Shown, shown_rows
from shared.store.postgres import Connection


async def device_events(
    connection: Connection, customer_id: int, since: datetime, limit: int
) -> Shown:
    """The newest events of a customer: site, at, said_by, kind, device, device_before, target,
    target_before, mac, note.

    said_by "hub": kind is moved, another_mac, another_device, twins, another_site or
    board_replaced, devices are named by key, and `note` says why reads wait for a person.
    said_by "site": kind is a DeviceEvent's, and devices are named by serial, or not at all.
    """
    return await shown_rows(
        connection,
        """
        select s.name as site, e.at, e.said_by, e.kind, e.device, e.device_before, e.target,
            e.target_before, e.mac, e.note, count(*) over () as all_rows
        from device_event e join site s on s.id = e.site_id
        where e.site_id in (select id from site where customer_id = %(customer)s)
            and e.at > %(since)s
        order by e.at desc, e.kind, e.device limit %(limit)s
        """,
        {"customer": customer_id, "since": since, "limit": limit},
    )


async def stays(connection: Connection, device_id: int) -> list[dict[str, Any]]:
    """site, kind (mac, or the first word of a target), value, model, first_at, last_at; in time."""
    cursor = await connection.execute(
        "select t.name as site, s.kind, s.value, s.model, s.first_at, s.last_at"
        " from device_stay_seen s join site t on t.id = s.site_id"
        " where s.device_id = %s order by s.kind, s.first_at, s.value",
        (device_id,),
    )
    return await cursor.fetchall()
