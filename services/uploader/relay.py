"""The rhythm: soon after something arrived, else now and then, and less often while it fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from services.uploader.batch import (
    BYTES_AROUND,
    MAX_BYTES,
    MAX_MESSAGES,
    AnswerError,
    envelope,
    fault_told,
    read_answers,
)
from services.uploader.failures import HubError, NotAnsweredError, RefusedError, refused
from services.uploader.scope import fetch_scope
from services.uploader.send import Hub, retry_after_s
from services.uploader.spool import Spool, Verdict, Waiting
from shared.bus.port import BusDownError, CannotStoreError
from shared.log import log
from shared.message import Message

_FIRST_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 900.0
_LONGEST_RETRY_AFTER_S = 3600.0


class Relay:
    """Carries what is spooled to the hub, and the hub's scope to the bus."""

    def __init__(
        self,
        spool: Spool,
        hub: Hub,
        *,
        publish: Callable[[Message], Awaitable[None]],
        now: Callable[[], datetime],
        contact_s: float,
        gather_s: float,
        keep_days: float,
    ) -> None:
        self._spool = spool
        self._hub = hub
        self._publish = publish
        self._now = now
        self._contact_s = contact_s
        self._gather_s = gather_s
        self._keep = timedelta(days=keep_days)
        self._arrived = asyncio.Event()
        self._limit = self._most = MAX_MESSAGES
        self._failures = 0
        self._has_asked_scope = False  # since this process began
        self._problem: str | None = "the hub was not contacted yet"

    def wake(self) -> None:
        """Something was stored: send soon."""
        self._arrived.set()

    def problem(self) -> str | None:
        """Why the hub did not take the last that was sent, in words; None where it did."""
        return self._problem

    async def run(self) -> None:
        """Until cancelled. What was sent and not answered by then is sent again next time."""
        clock = asyncio.get_running_loop().time
        due_at = clock()
        while True:
            due = clock() >= due_at
            self._arrived.clear()
            trouble = await self.contact(due)
            if trouble:
                due_at = clock()
                await asyncio.sleep(self._back_off_s(trouble))
                continue
            if due:
                due_at = clock() + self._contact_s * random.uniform(0.9, 1.1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due_at):
                    await self._arrived.wait()
                await asyncio.sleep(self._gather_s)

    async def contact(self, due: bool) -> Exception | None:
        """Send all that waits; where it is `due` also say that this site lives, and ask its scope.

        Gives what went wrong, of which the operator has been told.
        """
        self._most = MAX_MESSAGES
        trouble = await self._told(self._send_all(at_least_one=due))
        if due and (trouble is None or _batch_may_be_why(trouble)):
            trouble = await self._told(self._tend()) or trouble
        self._problem = str(trouble) if trouble else None
        if not trouble:
            self._failures = 0
        return trouble

    async def _told(self, step: Awaitable[None]) -> Exception | None:
        try:
            await step
        except (HubError, BusDownError, CannotStoreError) as error:
            tell = log.error if _needs_a_person(error) else log.warning
            tell("hub contact failed", service="uploader", reason=str(error))
            return error
        return None

    async def _tend(self) -> None:
        scope = await fetch_scope(
            self._hub, self._spool, self._publish, anew=not self._has_asked_scope
        )
        self._has_asked_scope = True
        if scope:
            log.info("scope handed on", service="uploader", version=scope.version)
        await asyncio.to_thread(self._spool.forget, self._now() - self._keep)

    async def _send_all(self, *, at_least_one: bool) -> None:
        while True:
            room = MAX_BYTES - self._limit * BYTES_AROUND
            batch = await asyncio.to_thread(self._spool.waiting, self._limit, room)
            if not batch and not at_least_one:
                return
            at_least_one = False
            await self._send(batch)

    async def _send(self, batch: Sequence[Waiting]) -> None:
        """One batch, and what the hub says of each of its messages.

        Raises: HubError, where the hub answered for none; they wait on.
        """
        numbers = [message.n for message in batch]
        body = await asyncio.to_thread(self._envelope, batch)
        try:
            answer = await self._hub.post("/v1/events", body)
            if answer.status == 413 and batch:
                await self._smaller(batch)
                return
            if answer.status != 200:
                wait_s = retry_after_s(answer, self._now().timestamp())
                raise refused(answer.status, self._hub.who, wait_s, fault_told(answer.body))
            try:
                verdicts, last = read_answers(answer.body, frozenset(numbers))
            except AnswerError as error:
                raise NotAnsweredError(
                    f"{self._hub.who}: {error}", "does a proxy answer in the hub's place?"
                ) from None
        except (NotAnsweredError, RefusedError) as error:
            if _batch_may_be_why(error):  # halves find the message, and the others get past it
                self._limit = max(1, len(batch) // 2)
                await asyncio.to_thread(self._spool.tried, numbers, self._now())
            raise
        await self._keep_verdicts(numbers, verdicts)
        if last is not None and last > await asyncio.to_thread(self._spool.last):
            spool = await asyncio.to_thread(self._spool.renew)
            log.warning(
                "spool is older than what the hub has; restored from a copy? it goes on under a"
                " new id",
                service="uploader",
                spool=str(spool),
            )

    def _envelope(self, batch: Sequence[Waiting]) -> bytes:
        return envelope(
            self._spool.id(),
            first_unsent=self._spool.first_unsent(),
            last=self._spool.last(),
            sent_at=self._now(),
            messages=batch,
        )

    async def _keep_verdicts(self, numbers: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        now = self._now()
        await asyncio.to_thread(self._spool.answered, verdicts, now)
        rejected = [verdict for verdict in verdicts if verdict.state == "rejected"]
        if rejected:
            log.warning(
                "hub rejected messages",
                service="uploader",
                rejected=len(rejected),
                first=rejected[0].n,
                reason=rejected[0].reason,
            )
        unanswered = set(numbers) - {verdict.n for verdict in verdicts}
        if unanswered:
            await asyncio.to_thread(self._spool.tried, unanswered, now)
        else:
            self._limit = min(self._most, self._limit * 2)
        if numbers and not verdicts:
            raise NotAnsweredError(
                f"{self._hub.who}: said nothing of {len(numbers)} messages", "look at the hub's log"
            )
        if numbers:
            log.info("sent", service="uploader", messages=len(verdicts), unanswered=len(unanswered))

    async def _smaller(self, batch: Sequence[Waiting]) -> None:
        if len(batch) > 1:
            self._limit = self._most = len(batch) // 2
            return
        [alone] = batch
        reason = f"{len(alone.body)} bytes are too large for the hub or a proxy (status 413)"
        await self._keep_verdicts([alone.n], [Verdict(alone.n, "rejected", reason)])

    def _back_off_s(self, trouble: Exception) -> float:
        self._failures += 1
        if isinstance(trouble, RefusedError) and trouble.retry_after_s is not None:
            asked = min(_LONGEST_RETRY_AFTER_S, max(_FIRST_BACK_OFF_S, trouble.retry_after_s))
            return asked * random.uniform(1.0, 1.1)
        if _needs_a_person(trouble):
            return _LONGEST_BACK_OFF_S * random.uniform(0.8, 1.0)
        longest = min(_LONGEST_BACK_OFF_S, _FIRST_BACK_OFF_S * 2.0 ** min(self._failures, 20))
        return longest * random.uniform(0.5, 1.0)


def _batch_may_be_why(trouble: Exception) -> bool:
    """Whether the hub was reached and may have failed over what was sent to it."""
    if isinstance(trouble, RefusedError):
        return trouble.status in (400, 422, 500)
    return isinstance(trouble, NotAnsweredError)


def _needs_a_person(trouble: Exception) -> bool:
    return isinstance(trouble, RefusedError) and trouble.status in (401, 403)
