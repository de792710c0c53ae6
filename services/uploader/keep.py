"""The bus handler: what a read, a failure or a round becomes in the spool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from services.uploader.boot import SinceBoot
from services.uploader.spool import Spool
from services.uploader.withhold import withhold
from shared.bus.port import Delivery
from shared.message import Message

_MOST_A_COMMIT = 500


async def keep(
    message: Message, delivery: Delivery, *, intake: Intake, withheld: frozenset[str], salt: str
) -> Sequence[Message]:
    """Keep a message without what the site withholds; on disk when this returns.

    Raises: CannotStoreError, so that the bus keeps it.
    """
    del delivery  # a message that comes again is stored once
    await intake.store(withhold(message, withheld, salt))
    return ()


class Intake:
    """Stores what comes at once in one commit, and tells the sender.

    A commit waits for the disk (some milliseconds, on a memory card thirty and more), so it is
    done in a thread, and whatever arrives in the meantime shares the next one.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        stored: Callable[[], None],
        now: Callable[[], datetime],
        since_boot: Callable[[], SinceBoot | None],
    ) -> None:
        self._spool = spool
        self._stored = stored
        self._now = now
        self._since_boot = since_boot
        self._arrived: list[tuple[Message, asyncio.Future[int]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def store(self, message: Message) -> int:
        """The message's number, once it is on disk. Raises: CannotStoreError."""
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._arrived.append((message, kept))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await kept

    async def _commit_all(self) -> None:
        while self._arrived:
            batch = self._arrived[:_MOST_A_COMMIT]
            del self._arrived[:_MOST_A_COMMIT]
            await self._commit(batch)
        self._committing = None

    async def _commit(self, batch: Sequence[tuple[Message, asyncio.Future[int]]]) -> None:
        messages = [message for message, _ in batch]
        try:
            numbers = await asyncio.to_thread(
                self._spool.store, messages, self._now(), self._since_boot()
            )
        except Exception as error:  # noqa: BLE001  (told to each that waits for this commit)
            for _, kept in batch:
                if not kept.done():
                    kept.set_exception(error)
            return
        for (_, kept), n in zip(batch, numbers, strict=True):
            if not kept.done():
                kept.set_result(n)
        self._stored()
