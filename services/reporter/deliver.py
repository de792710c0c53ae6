"""Handing reports over: each mailbox once, unless nobody can know whether it has it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from services.reporter.smtp import Mailer, Outcome
from shared.log import log
from shared.store import deliveries
from shared.store.deliveries import Delivery
from shared.store.postgres import Store

MAX_ATTEMPTS = 20
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=4)
_MARK_S = 30


async def deliver(
    store: Store,
    mailer: Mailer,
    now: datetime,
    *,
    report_id: UUID | None = None,
    stopping: asyncio.Event | None = None,
) -> None:
    """Hand over what is due, of one report or of all, until `stopping`. Raises: StoreError."""
    async with store.transaction() as connection:
        due = await deliveries.due_deliveries(connection, now, report_id)
    for report, recipient in due:
        if stopping is not None and stopping.is_set():
            return
        await _hand_over(store, report, recipient, mailer, now)


async def _hand_over(
    store: Store, report_id: UUID, recipient: str, mailer: Mailer, now: datetime
) -> None:
    """One mail to one mailbox, by one reporter at a time.

    "sending" is committed when the server has the whole mail but its last dot: a reporter that
    dies earlier has not sent it, one that dies later may have, and the row says so from then on.
    """
    loop = asyncio.get_running_loop()
    async with store.transaction() as held:  # the lock lasts as long as this transaction
        delivery = await deliveries.take_delivery(held, report_id, recipient, now)
        if delivery is None:
            return

        async def mark() -> None:
            async with store.transaction() as connection:
                await deliveries.begin_sending(connection, delivery, now)

        def at_end() -> None:
            asyncio.run_coroutine_threadsafe(mark(), loop).result(_MARK_S)

        name = f"{delivery.file_name.removesuffix('.xlsx')}-{report_id}"
        sending = asyncio.ensure_future(
            asyncio.to_thread(mailer.send, delivery.mail, name, recipient, at_end)
        )
        try:
            outcome = await asyncio.shield(sending)
        except asyncio.CancelledError:
            mailer.cut()
            await _record(store, delivery, await sending, now)
            raise
        await _record(store, delivery, outcome, now)


async def _record(store: Store, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    attempts = delivery.attempts + 1
    state, reason = outcome.state, outcome.reason
    if state == "waiting" and delivery.begun:
        state = "sending"  # what an earlier attempt left open stays open
    if state in ("waiting", "sending") and attempts >= MAX_ATTEMPTS:
        state, reason = "refused", f"given up after {attempts} attempts: {reason}"
    if state == "refused" and delivery.begun:
        reason = f"{reason}; an earlier attempt may have reached the mailbox"
    pause = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE)
    async with store.transaction() as connection:
        await deliveries.end_attempt(
            connection, delivery, state=state, reason=reason, now=now, next_try_at=now + pause
        )
    line = {"report": str(delivery.report_id), "to": delivery.recipient, "reason": reason}
    if state in ("sent", "filed"):
        log.info(f"report {state}", **line)
    elif state == "refused":
        log.error("report refused", **line)
    else:
        log.warning("report not handed over yet", **line)
