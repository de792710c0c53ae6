"""The rhythm: soon after something arrived, else now and then, and less often while it fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from services.uploader.back_off import (
    back_off_s,
    batch_may_be_why,
    is_away,
    needs_a_person,
)
from services.uploader.batch import (
    BYTES_AROUND,
    BYTES_BEFORE,
    MAX_BYTES,
    MAX_MESSAGES,
    AnswerError,
    Answers,
    envelope,
    fault_told,
    read_answers,
)
from services.uploader.boot import Ages, SinceBoot
from services.uploader.failures import (
    HubError,
    NotAnsweredError,
    RefusedError,
    refused,
)
from services.uploader.numbering import Why
from services.uploader.scope import fetch_scope
from services.uploader.send import Hub, retry_after_s
from services.uploader.settings import SettingError
from services.uploader.spool import Answered, Outgoing, Spool, Verdict
from shared.bus.port import BusDownError, CannotStoreError
from shared.log import log
from shared.message import Message

_LOOK_AT_FILES_S = 10.0


class WayToHub(Protocol):
    async def to_hub(self) -> Hub:
        """Raises: SettingError, where the key or the authorities cannot be read."""

    def has_changed(self) -> bool:
        """Whether the hub would now be asked with another key or other authorities."""


class Relay:
    """Carries what is spooled to the hub, and the hub's scope to the bus.

    Before any message an empty batch goes out, after each start, each failure and a long silence,
    and where the spool's file is another one. It costs little where the hub is away, and its
    answer tells whether the spool's numbers can be gone on with, and its clocks be believed.
    """

    def __init__(
        self,
        spool: Spool,
        way: WayToHub,
        *,
        publish: Callable[[Message], Awaitable[None]],
        now: Callable[[], datetime],
        since_boot: Callable[[], SinceBoot | None],
        status: Callable[[], bytes],
        contact_s: float,
        gather_s: float,
        keep_days: float,
    ) -> None:
        self._spool = spool
        self._way = way
        self._publish = publish
        self._now = now
        self._since_boot = since_boot
        self._status = status
        self._contact_s = contact_s
        self._gather_s = gather_s
        self._keep = timedelta(days=keep_days)
        self._arrived = asyncio.Event()
        self._limit = self._most = MAX_MESSAGES
        self._failures = 0
        self._greeted_for: int | None = None  # the file of which the hub was told
        self._is_greeting = False  # and it was not answered yet
        self._answered_at: datetime | None = None  # the last batch, by this box's clock
        self._ages = Ages()
        self._has_renewed = False  # and the hub has agreed to no number since
        self._has_asked_scope = False  # since this process began
        self._problem: str | None = "the hub was not contacted yet"

    def wake(self) -> None:
        """Something was stored: send soon."""
        self._arrived.set()

    def problem(self) -> str | None:
        """Why reads cannot be kept, or the hub did not take the last that was sent, in words."""
        return self._spool.problem() or self._problem

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
                await self._rest(trouble)
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
        if due and (trouble is None or batch_may_be_why(trouble)):
            trouble = await self._told(self._tend()) or trouble
        self._problem = str(trouble) if trouble else None
        if not trouble:
            self._failures = 0
        return trouble

    async def _told(self, step: Awaitable[None]) -> Exception | None:
        try:
            await step
        except (HubError, BusDownError, CannotStoreError, SettingError) as error:
            tell = log.error if needs_a_person(error) else log.warning
            tell("hub contact failed", service="uploader", reason=str(error))
            return error
        return None

    async def _tend(self) -> None:
        scope = await fetch_scope(
            await self._way.to_hub(), self._spool, self._publish, anew=not self._has_asked_scope
        )
        self._has_asked_scope = True
        if scope:
            log.info("scope handed on", service="uploader", version=scope.version)
        await asyncio.to_thread(self._spool.forget, self._keep)

    async def _send_all(self, *, at_least_one: bool) -> None:
        hub = await self._way.to_hub()
        while True:
            room = MAX_BYTES - BYTES_BEFORE - self._limit * BYTES_AROUND
            batch = await asyncio.to_thread(self._spool.outgoing, self._limit, room)
            greeting = batch.file != self._greeted_for or self._was_long_silent()
            if greeting:
                batch = batch._replace(messages=())
            elif not batch.messages and not at_least_one:
                return
            at_least_one = False
            self._greeted_for, self._is_greeting = None, greeting
            await self._send(hub, batch)
            self._greeted_for, self._is_greeting = batch.file, False
            self._answered_at = self._now()

    def _was_long_silent(self) -> bool:
        since = self._now() - self._answered_at if self._answered_at else timedelta()
        return abs(since.total_seconds()) > 2 * self._contact_s

    async def _send(self, hub: Hub, batch: Outgoing) -> None:
        """One batch, and what the hub says of each of its messages.

        Raises: HubError, where the hub answered for none; they wait on.
        """
        numbers = [message.n for message in batch.messages]
        body, around = await asyncio.to_thread(self._envelope, batch)
        try:
            answer = await hub.post("/v1/events", body)
            if answer.status == 413 and numbers:
                await self._smaller(hub, batch)
                return
            if answer.status != 200:
                wait_s = retry_after_s(answer, self._now().timestamp())
                raise refused(answer.status, hub.who, wait_s, fault_told(answer.body))
            try:
                answers = read_answers(answer.body, frozenset(numbers))
            except AnswerError as error:
                raise NotAnsweredError(
                    f"{hub.who}: {error}", "does a proxy answer in the hub's place?"
                ) from None
        except (NotAnsweredError, RefusedError) as error:
            blamed = batch_may_be_why(error)
            if blamed and numbers:  # halves find the message, and the others get past it
                self._limit = max(1, len(numbers) // 2)
            await self._left(batch, numbers, blamed=blamed)
            raise
        if answers.received_at:
            self._ages.heard(answers.received_at, self._since_boot())
        said = Answered(answers.verdicts, answers.received_at, around)
        await self._keep_verdicts(hub, batch, said)
        await self._renumber(hub, batch, answers)

    def _envelope(self, batch: Outgoing) -> tuple[bytes, str]:
        age_s = partial(self._ages.age_s, now=self._since_boot())
        return envelope(batch, sent_at=self._now(), age_s=age_s, status=self._status())

    async def _left(self, batch: Outgoing, numbers: Sequence[int], *, blamed: bool) -> None:
        if numbers:
            await asyncio.to_thread(
                self._spool.tried, batch.spool, numbers, self._now(), blamed=blamed
            )

    async def _renumber(self, hub: Hub, batch: Outgoing, answers: Answers) -> None:
        why: Why = "reused" if answers.renumber else "restored"
        if not answers.renumber and (answers.last is None or answers.last <= batch.last):
            self._has_renewed = False
            return
        if self._has_renewed:
            raise NotAnsweredError(
                f"{hub.who}: knows numbers of a spool that is new to it", "look at the hub's log"
            )
        self._has_renewed = True
        spool = await asyncio.to_thread(self._spool.renew, why)
        log.warning(
            "the spool's numbers were given twice; was it restored from a copy? it goes on under a"
            " new id, and the hub is told",
            service="uploader",
            before=str(batch.spool),
            spool=str(spool),
        )

    async def _keep_verdicts(self, hub: Hub, batch: Outgoing, said: Answered) -> None:
        await asyncio.to_thread(self._spool.answered, batch.spool, said, self._now())
        if not batch.messages:
            return
        rejected = [verdict for verdict in said.verdicts if verdict.state == "rejected"]
        if rejected:
            log.warning(
                "hub rejected messages",
                service="uploader",
                rejected=len(rejected),
                first=rejected[0].n,
                reason=rejected[0].reason,
            )
        told = {verdict.n for verdict in said.verdicts}
        unanswered = [message.n for message in batch.messages if message.n not in told]
        await self._left(batch, unanswered, blamed=True)
        if not told:
            raise NotAnsweredError(
                f"{hub.who}: said nothing of {len(unanswered)} messages", "look at the hub's log"
            )
        self._failures = 0  # a way that lets something through is worth trying again soon
        if not unanswered:
            self._limit = min(self._most, self._limit * 2)
        log.info("sent", service="uploader", messages=len(told), unanswered=len(unanswered))

    async def _smaller(self, hub: Hub, batch: Outgoing) -> None:
        if len(batch.messages) > 1:
            self._limit = self._most = len(batch.messages) // 2
            return
        [alone] = batch.messages
        reason = f"{len(alone.body)} bytes are too large for the hub or a proxy (status 413)"
        await self._keep_verdicts(hub, batch, Answered([Verdict(alone.n, "rejected", reason)]))

    async def _rest(self, trouble: Exception) -> None:
        """Until the next try. What arrives ends a rest in which nothing waited, and another key
        or other authorities one that they were refused in.
        """
        waits = await asyncio.to_thread(self._has_waiting)
        away = is_away(trouble, greeting=self._is_greeting)
        self._failures += 1
        seconds = back_off_s(trouble, self._failures, looking=waits and away)
        if needs_a_person(trouble):
            while seconds > 0:
                await asyncio.sleep(min(seconds, _LOOK_AT_FILES_S))
                seconds -= _LOOK_AT_FILES_S
                if self._way.has_changed():
                    return
        elif waits or not away:
            await asyncio.sleep(seconds)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()

    def _has_waiting(self) -> bool:
        try:
            return self._spool.count_waiting() > 0
        except CannotStoreError:
            return True
