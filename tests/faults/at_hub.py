"""What the hub of a fault test is told and asked, however often its database is away meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4, uuid5

from services.ingest.gaps import gaps
from services.ingest.keys import add_key
from services.ingest.recipients import add_recipient
from services.ingest.sites import Site, add_customer, add_site
from shared.clock import utc_now
from shared.schedule import RoundKind
from shared.store.deliveries import list_reports
from shared.store.postgres import Store, StoreError
from shared.store.rounds import round_at_hub
from shared.store.scope import set_scope

_NEVER = "0 0 1 1 *"
_AWAY_S = 120.0
_DUE_BEFORE = timedelta(days=2)
T = TypeVar("T")
Rows = list[dict[str, Any]]


class AtHub:
    """One customer with one site and one mailbox, at a hub that may be killed at any time.

    Args:
        segment: what the site's scope lets be searched.
    """

    def __init__(self, store: Store, segment: str) -> None:
        self._store, self._segment = store, segment
        self._asks: list[dict[str, str]] = []
        self._reports = 0

    async def set_up(self) -> str:
        """The site's key."""
        await add_customer(self._store, "Example")
        self._site: Site = await add_site(self._store, "Example", "north")
        await add_recipient(self._store, "Example", "billing@example.com")
        return await add_key(self._store, self._site)

    async def ask(self, kind: RoundKind) -> UUID:
        """Order a round in the site's scope; the id that it will have."""
        now = utc_now()
        until = (now + timedelta(hours=1)).isoformat()
        self._asks.append({"id": str(uuid4()), "kind": kind, "until": until})
        scope = {
            "segments": [self._segment],
            "credentials": [{"range": self._segment, "credentials": ["public"]}],
            "search_schedule": _NEVER,
            "read_schedule": _NEVER,
            "asks": self._asks[-5:],
        }
        await self._surely(
            lambda: set_scope(self._store, self._site.id, scope, author="test", now=now)
        )
        return uuid5(UUID(self._asks[-1]["id"]), "round agent")

    async def is_closed(self, round_id: UUID) -> bool:
        arrived = await self._surely(lambda: round_at_hub(self._store, round_id))
        return arrived is not None and arrived.closed

    async def gaps(self) -> Sequence[object]:
        return await self._surely(lambda: gaps(self._store, self._site))

    async def order_report(self) -> None:
        """A schedule of which one run is due: one more report is to be made and mailed."""
        self._reports += 1
        minute, hour = self._reports % 60, self._reports // 60
        due = utc_now() - _DUE_BEFORE
        await self.rows(
            "insert into schedule (customer_id, cron, created_at) select customer_id, %s, %s"
            " from site where id = %s on conflict do nothing",
            f"{minute} {hour} {due.day} {due.month} *",
            due - _DUE_BEFORE,
            self._site.id,
        )

    async def reports(self) -> Rows:
        """Each with its `deliveries`; at least those that were ordered, once they are made."""

        async def listed() -> Rows:
            async with self._store.transaction() as connection:
                return [dict(row) for row in await list_reports(connection, limit=10_000)]

        return await self._surely(listed)

    async def outcomes(self) -> dict[UUID, dict[UUID, Rows]]:
        """Round -> each order that its end names -> its outcomes."""
        found: dict[UUID, dict[UUID, Rows]] = {}
        for row in await self.rows(
            "select n.round_id, n.order_id, o.outcome, o.reason from round_name n"
            " left join order_outcome o on o.site_id = n.site_id and o.order_id = n.order_id"
            " where n.kind = 'order'"
        ):
            found.setdefault(row["round_id"], {}).setdefault(row["order_id"], []).append(row)
        return found

    async def rows(self, sql: str, *values: object) -> Rows:
        async def asked() -> Rows:
            async with self._store.transaction() as connection:
                cursor = await connection.execute(sql.encode(), values)
                return await cursor.fetchall() if cursor.description else []

        return await self._surely(asked)

    @property
    def ordered_reports(self) -> int:
        return self._reports

    @staticmethod
    async def _surely(step: Callable[[], Awaitable[T]]) -> T:
        """Once the database is there again."""
        end = time.monotonic() + _AWAY_S
        while True:
            try:
                return await step()
            except StoreError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)
