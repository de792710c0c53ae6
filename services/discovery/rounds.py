"""One round, from its first datagram to its last message; continued after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from services.discovery.asking import Asking, Manner, Means, Resolve
from services.discovery.closing import Outcome, last_messages, outcome_of
from services.discovery.identify import Makers
from services.discovery.local_devices.attached import list_attached
from services.discovery.neighbours import neighbours
from services.discovery.orders import Orders
from services.discovery.plan import Wish
from services.discovery.roster import Roster, Round
from services.discovery.spooled import ListAttached
from shared.bus.port import BusDownError
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.decode import decode
from shared.ipp_uri import ipp_uris
from shared.log import log
from shared.message import Message
from shared.messages import NotReached, RoundFinished
from shared.quiet import quiet_from
from shared.targets import as_addresses, parse_targets

_LONGEST_PAUSE_S = 30.0


class Rounds:
    """Runs rounds, one at a time."""

    def __init__(
        self,
        roster: Roster,
        publish: Callable[[Message], Awaitable[None]],
        *,
        manner: Manner,
        ceiling: Ceiling,
        credentials: Callable[[], Mapping[str, Credential]],
        makers: Makers,
        resolve: Resolve,
        now: Callable[[], datetime],
        neighbours: Callable[[], Mapping[str, str]] = neighbours,
        list_attached: ListAttached = list_attached,
    ) -> None:
        self._roster = roster
        self._publish = publish
        self._manner = manner
        self._ceiling = ceiling
        self._credentials = credentials
        self._resolve = resolve
        self._now = now
        self._means = Means(manner, makers, neighbours, list_attached, resolve, now)

    async def run(self, current: Round) -> list[RoundFinished]:
        """Ends when the round is finished, and gives its last messages."""
        if not current.is_closing:
            await self._ask_and_give(current)
        return await self._publish_last(current)

    async def _ask_and_give(self, current: Round) -> None:
        quiet = quiet_from(self._ceiling.quiet_hours, self._now())
        read_before = current.deadline + timedelta(seconds=self._manner.read_margin_s)
        orders = Orders(
            self._roster,
            self._publish,
            current.id,
            read_before=min(read_before, quiet or read_before),
            at_once=self._manner.orders_at_once,
            now=self._now,
        )
        asking = await self._prepared(current)
        async with orders.given_meanwhile():
            await orders.give_again()
            deadline = min(current.deadline, quiet or current.deadline)
            interrupted = await self._ask_until(deadline, asking, orders)
            await orders.all_given()
        outcome = outcome_of(
            current.wish,
            asking.asked(interrupted=interrupted),
            answers=self._roster.answers(current.id),
            known=self._roster.known(),
            computers=asking.computers,
            not_taken=orders.not_taken,
            interrupted=interrupted,
        )
        for silent in outcome.silent:
            if silent.silent_rounds == current.wish.silent_after:
                log.warning("device silent", target=silent.target.key, rounds=silent.silent_rounds)
        self._close(current, outcome)

    def give_up(self, current: Round, reason: str) -> None:
        """Closes a round that cannot go on; what it ordered until then is named."""
        if current.is_closing:
            return
        rest = NotReached(target="the rest of the round", reason=reason)
        answers, known = self._roster.answers(current.id), self._roster.known()
        self._close(current, Outcome(0, answers, (), [rest], known=known, interrupted=True))

    def _close(self, current: Round, outcome: Outcome) -> None:
        packets, octets = self._roster.counts(current.id)
        messages = last_messages(
            current,
            outcome,
            agent=self._manner.agent,
            now=self._now(),
            packets=packets,
            octets=octets,
        )
        bodies = [message.to_json() for message in messages]
        self._roster.close_round(current.id, bodies, outcome.known)

    async def _ask_until(self, deadline: datetime, asking: Asking, orders: Orders) -> bool:
        """Whether the deadline came first."""
        left_s = (deadline - self._now()).total_seconds()
        if left_s <= 0:
            return True
        try:
            async with asyncio.timeout(left_s) as timeout:
                await asking.ask(orders)
        except TimeoutError:
            if not timeout.expired():
                raise
            return True
        return False

    async def _prepared(self, current: Round) -> Asking:
        resolved = await self._resolve(current.wish.names())
        return Asking(
            current,
            self._roster,
            self._means,
            resolved=resolved,
            ceiling=naming_typed(self._ceiling, current.wish, resolved),
            credentials=self._credentials(),
        )

    async def _publish_last(self, current: Round) -> list[RoundFinished]:
        finished: list[RoundFinished] = []
        for part, body in self._roster.unpublished_bodies(current.id):
            message = decode(RoundFinished.routing_key, body)
            assert isinstance(message, RoundFinished)
            await self._publish_surely(message)
            self._roster.body_published(current.id, part)
            finished.append(message)
        self._roster.finish(current.id)
        return finished

    async def _publish_surely(self, message: Message) -> None:
        pause_s = 1.0
        while True:
            try:
                await self._publish(message)
            except BusDownError as error:
                log.warning("bus down", message=message.routing_key, reason=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return


def naming_typed(ceiling: Ceiling, wish: Wish, resolved: Mapping[str, Sequence[str]]) -> Ceiling:
    """The ceiling with what a person typed at the site, each on its own port."""
    for target in parse_targets(wish.site_targets)[0]:
        for one in as_addresses(target, resolved):
            ceiling = ceiling.naming(one.networks(), [one.port or wish.port])
    for uri in ipp_uris(wish.site_targets):
        addresses = [uri.host] if uri.is_address else resolved.get(uri.host, ())
        ceiling = ceiling.naming_ipp(map(ip_network, addresses), uri.port)
    return ceiling
