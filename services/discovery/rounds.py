"""One round, from its first datagram to its last message; continued after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from services.discovery.closing import last_messages, outcome_of
from services.discovery.find import findings
from services.discovery.identify import Makers
from services.discovery.orders import Orders
from services.discovery.plan import Limits, Wish, make_plan
from services.discovery.roster import Roster, Round, order_of
from services.discovery.sweep import Sweep
from shared.bus.port import BusDownError
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.decode import decode
from shared.ipp_uri import ipp_uris
from shared.log import log
from shared.message import Message
from shared.messages import RoundFinished, SnmpTarget
from shared.quiet import quiet_from
from shared.snmp.client import SnmpClient
from shared.spans import number_of
from shared.targets import as_addresses, parse_targets

_COUNTED_EVERY_S = 5.0
_LONGEST_PAUSE_S = 30.0

Resolve = Callable[[set[str]], Awaitable[Mapping[str, Sequence[str]]]]


@dataclass(frozen=True)
class Manner:
    """How a round asks and gives its orders."""

    agent: str
    rate: float
    timeout_s: float
    limits: Limits
    read_margin_s: float
    orders_at_once: int


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
    ) -> None:
        self._roster = roster
        self._publish = publish
        self._manner = manner
        self._ceiling = ceiling
        self._credentials = credentials
        self._makers = makers
        self._resolve = resolve
        self._now = now

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
        sweep, credentials = await self._prepared(current)
        for target in sweep.plan.ipp:
            self._roster.add_ipp(current.id, target)
        async with orders.given_meanwhile():
            await orders.give_again()
            deadline = min(current.deadline, quiet or current.deadline)
            interrupted = await self._ask_until(deadline, current, sweep, credentials, orders)
            await orders.all_given()
        outcome = outcome_of(
            sweep.plan,
            answers=self._roster.answers(current.id),
            known=self._roster.known(),
            unasked=sweep.unasked() if interrupted else [],
            unsendable=sweep.unsendable,
            not_taken=orders.not_taken,
            interrupted=interrupted,
        )
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
        self._roster.close_round(current.id, bodies, [one.target for one in outcome.silent])

    async def _ask_until(
        self,
        deadline: datetime,
        current: Round,
        sweep: Sweep,
        credentials: Mapping[str, Credential],
        orders: Orders,
    ) -> bool:
        """Whether the deadline came first."""
        left_s = (deadline - self._now()).total_seconds()
        if left_s <= 0:
            return True
        try:
            async with asyncio.timeout(left_s) as timeout:
                await self._ask(current, sweep, credentials, orders)
        except TimeoutError:
            if not timeout.expired():
                raise
            return True
        return False

    async def _prepared(self, current: Round) -> tuple[Sweep, Mapping[str, Credential]]:
        wish = current.wish
        resolved = await self._resolve(wish.names())
        ceiling = naming_typed(self._ceiling, wish, resolved)
        credentials = self._credentials()
        plan = make_plan(
            wish,
            resolved=resolved,
            ceiling=ceiling,
            credentials=credentials,
            limits=self._manner.limits,
        )
        answered = frozenset(
            (number_of(one.target.snmp), one.target.port)
            for one in self._roster.answers(current.id)
            if isinstance(one.target, SnmpTarget)
        )
        sweep = Sweep(
            plan,
            ceiling=ceiling,
            credentials=credentials,
            rate=self._manner.rate,
            timeout_s=self._manner.timeout_s,
            done=answered,
        )
        return sweep, credentials

    async def _ask(
        self,
        current: Round,
        sweep: Sweep,
        credentials: Mapping[str, Credential],
        orders: Orders,
    ) -> None:
        async with (
            SnmpClient(sweep.ceiling, timeout_s=self._manner.timeout_s) as client,
            self._counted(current, sweep, client),
            aclosing(findings(sweep, client, credentials, self._makers)) as found,
        ):
            async for finding in found:
                self._roster.add_answer(current.id, finding, self._now())
                if finding.outcome == "printing":
                    await orders.give(order_of(finding))
        for remark in sweep.remarks:
            log.warning("sweep", round=str(current.id), remark=remark)

    @asynccontextmanager
    async def _counted(
        self, current: Round, sweep: Sweep, client: SnmpClient
    ) -> AsyncIterator[None]:
        """Packets and bytes in the roster every few seconds, and at the end.

        Counted first, so that a roster that cannot be written (a full disk) is met before the
        first datagram, and not by asking a whole network once more each time it is tried.
        """

        def count() -> None:
            both = (sweep.traffic, client.traffic)
            self._roster.count(
                current.id,
                current.packets + sum(one.packets_out + one.packets_in for one in both),
                current.bytes + sum(one.bytes_out + one.bytes_in for one in both),
            )

        async def count_on() -> None:
            while True:
                await asyncio.sleep(_COUNTED_EVERY_S)
                count()

        count()
        counting = asyncio.create_task(count_on())
        try:
            yield
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
            count()

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
