"""What never came stands on the customer's page, with its reason."""

from __future__ import annotations

from uuid import UUID, uuid4

from shared.store.postgres import Store
from tests.contract.hub_rows import Hub, at, new_hub
from tests.contract.test_console import HOSTILE, get

SPOOL = UUID(int=7)


async def test_numbers_that_never_came_and_a_lost_spool_are_told(store: Store) -> None:
    hub = await new_hub(store)
    await _spool(hub, SPOOL, numbers="{[1,5)}", first_unsent=5, last=8, ended=True)
    await _spool(hub, UUID(int=8), before=SPOOL, why="lost")

    _, page = await get(hub.store)

    assert f"messages 5 to 8 never came of spool {SPOOL}: its file was lost" in page.text
    assert f"spool {UUID(int=8)}: follows {SPOOL}" in page.text


async def test_a_round_that_should_be_closed_is_told_with_what_it_lacks(store: Store) -> None:
    hub = await new_hub(store)
    round_id, order = uuid4(), uuid4()
    await hub.run(
        "insert into round_course (site_id, id, first_at, parts, parts_came, named, came)"
        " values (%s, %s, %s, 1, 1, 1, 0)",
        *(hub.site_id, round_id, at("2026-10-31T08:00")),
    )
    await hub.run(
        "insert into round_name (site_id, round_id, part, kind, position, target, order_id)"
        " values (%s, %s, 1, 'order', 1, 'snmp:[10.0.0.7]:161', %s)",
        *(hub.site_id, round_id, order),
    )
    await hub.run(
        "insert into rejected (site_id, spool, n, digest, reason, body, received_at, order_id)"
        " values (%s, %s, 1, '', %s, '', %s, %s)",
        *(hub.site_id, SPOOL, HOSTILE, at("2026-10-31T09:00"), order),
    )

    response, page = await get(hub.store)

    assert response.status_code == 200
    assert "overdue: orders without an outcome" in page.text
    assert "10.0.0.7 : set aside at the hub" in page.text
    assert "script" not in page.tags


async def test_where_nothing_is_missing_nothing_is_said_of_it(store: Store) -> None:
    hub = await new_hub(store)
    await _spool(hub, SPOOL, numbers="{[1,9)}", first_unsent=9, last=8)

    _, page = await get(hub.store)

    assert "Missing" not in page.text


async def _spool(
    hub: Hub,
    spool: UUID,
    *,
    numbers: str = "{}",
    first_unsent: int = 1,
    last: int = 0,
    before: UUID | None = None,
    why: str | None = None,
    ended: bool = False,
) -> None:
    seen = at("2026-10-31T08:00")
    await hub.run(
        "insert into spool (site_id, id, numbers, first_unsent, last, before, why, first_seen_at,"
        " last_seen_at, ended_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        *(hub.site_id, spool, numbers, first_unsent, last, before, why, seen, seen),
        seen if ended else None,
    )
