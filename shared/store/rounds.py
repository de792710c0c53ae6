"""How far a round is: what was found against what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.store.postgres import Store


@dataclass(frozen=True)
class RoundAtHub:
    """Orders that the round names, and their outcomes that the hub holds."""

    orders: int
    read: int
    failed: int

    @property
    def closed(self) -> bool:
        return self.orders == self.read + self.failed


async def round_at_hub(store: Store, round_id: UUID) -> RoundAtHub | None:
    """None where the hub has not heard of the round. Raises: StoreError."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "select count(n.order_id) as orders,"
            " count(*) filter (where o.outcome = 'read') as read,"
            " count(*) filter (where o.outcome = 'failed') as failed"
            " from round r"
            " left join round_name n"
            " on n.site_id = r.site_id and n.round_id = r.id and n.kind = 'order'"
            " left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id"
            " where r.id = %s group by r.site_id, r.id",
            (round_id,),
        )
        row = await cursor.fetchone()
    return RoundAtHub(**row) if row else None
