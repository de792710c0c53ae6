"""A service of the hub says that it works, and tells of another one that does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.log import log
from shared.store import watch
from shared.store.postgres import Store, StoreError

_EVERY_S = 60.0
_SAID_EVERY = timedelta(hours=1)

Problem = Callable[[], str | None]


@asynccontextmanager
async def beating(
    store: Store, service: str, problems: Sequence[Problem] = ()
) -> AsyncIterator[None]:
    """A heartbeat at once and a minute while the block runs, with the first of its problems."""
    heart = _Heart(store, service, problems)
    await heart.beat()
    task = asyncio.create_task(heart.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Heart:
    def __init__(self, store: Store, service: str, problems: Sequence[Problem]) -> None:
        self._store, self._service, self._problems = store, service, problems
        self._said_at: datetime | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.beat()

    async def beat(self) -> None:
        problem = next((said for each in self._problems if (said := each())), None)
        try:
            async with self._store.transaction() as connection:
                await watch.beat(connection, self._service, _EVERY_S, problem)
                beats = await watch.heartbeats(connection)
        except StoreError:
            return  # that it is missing is seen by whoever reads heartbeats
        now = utc_now()
        away = [one for one in beats if one.expected_by < now]
        if away and (self._said_at is None or now - self._said_at >= _SAID_EVERY):
            self._said_at = now
            for one in away:
                log.error("late", subject="hub", part=one.service, last_at=one.seen_at.isoformat())
