"""What was noticed of devices stands on the customer's page."""

from __future__ import annotations

from uuid import uuid4

from shared.store.postgres import Store
from tests.contract.hub_rows import at, new_hub
from tests.contract.test_console import HOSTILE, get


async def test_what_was_noticed_of_a_device_is_told_in_words(store: Store) -> None:
    hub = await new_hub(store, zone="Europe/Berlin")
    round_id = uuid4()
    await hub.run(
        "insert into round values"
        " (%s, %s, 'read', 'agent', %s, %s, false, 1, 254, 3, 0, 600, 51000)",
        *(hub.site_id, round_id, at("2026-10-31T07:59"), at("2026-10-31T08:01")),
    )
    for position, (kind, serial) in enumerate([("moved", "VB1"), ("twins", HOSTILE)]):
        await hub.run(
            "insert into round_event"
            " (site_id, round_id, part, position, at, kind, target, target_before, serial)"
            " values (%s, %s, 1, %s, %s, %s, 'snmp:[10.0.0.9]:161', 'snmp:[10.0.0.7]:161', %s)",
            *(hub.site_id, round_id, position, at("2026-10-31T08:01"), kind, serial),
        )

    response, page = await get(hub.store)

    assert response.status_code == 200
    assert "VB1 answers at another address (10.0.0.7 → 10.0.0.9)" in page.text
    assert "two devices show one serial number (10.0.0.7 → 10.0.0.9)" in page.text
    assert "script" not in page.tags
