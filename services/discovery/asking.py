"""What is asked in a round, in order: the sweep, devices that moved, and computers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.discovery.broadcast import attached
from services.discovery.closing import Asked
from services.discovery.find import findings
from services.discovery.identify import Makers
from services.discovery.neighbours import mac_at, moved_to
from services.discovery.orders import Orders
from services.discovery.plan import Limits, Plan, Resolved, Wish, make_plan
from services.discovery.roster import Roster, Round
from services.discovery.roster_rows import AnswerRow, row_of
from services.discovery.spooled import (
    ListAttached,
    by_network,
    names_in,
    not_listed,
    rows_of,
    spoolers_to_ask,
)
from services.discovery.sweep import Sweep
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.ipp_uri import is_ipp_uri
from shared.log import log
from shared.messages import SnmpTarget
from shared.snmp.client import SnmpClient
from shared.spans import Span, merged, number_of
from shared.targets import as_addresses, parse_targets

_COUNTED_EVERY_S = 5.0

Resolve = Callable[[set[str]], Awaitable[Resolved]]


@dataclass(frozen=True)
class Manner:
    """How a round asks and gives its orders."""

    agent: str
    rate: float
    timeout_s: float
    limits: Limits
    read_margin_s: float
    orders_at_once: int


@dataclass(frozen=True)
class Means:
    """What a round asks with."""

    manner: Manner
    makers: Makers
    neighbours: Callable[[], Mapping[str, str]]  # address to MAC, as the box itself knows them
    list_attached: ListAttached
    resolve: Resolve
    now: Callable[[], datetime]


class Asking:
    """Asks what a round's wish says. What answered is in the roster before its order is given."""

    def __init__(
        self,
        current: Round,
        roster: Roster,
        means: Means,
        *,
        resolved: Resolved,
        ceiling: Ceiling,
        credentials: Mapping[str, Credential],
    ) -> None:
        self._round = current
        self._roster = roster
        self._means = means
        self._resolved = resolved
        self._ceiling = ceiling
        self._credentials = credentials
        self._known = roster.known()
        self._sweeps = [self._sweep_of(self._plan(current.wish))]
        self._to_list = spoolers_to_ask(current.wish, self._known)
        self.computers = not_listed(self._to_list, "not asked before the round's deadline")
        for target in self._sweeps[0].plan.ipp:
            roster.add_answer(
                current.id, AnswerRow(target, "printing", "named", "", 0, means.now())
            )

    async def ask(self, orders: Orders) -> None:
        """May be cancelled at any time; what was not asked is named by `asked` and `computers`."""
        await self._sweep(self._sweeps[0], orders)
        moved = self._plan_of_moved()
        if moved.groups:
            self._sweeps.append(self._sweep_of(moved))
            await self._sweep(self._sweeps[1], orders)
        await self._list_attached(orders)

    def asked(self, *, interrupted: bool) -> list[Asked]:
        return [
            Asked(one.plan, one.unasked() if interrupted else [], one.unsendable)
            for one in self._sweeps
        ]

    def _plan(self, wish: Wish) -> Plan:
        return make_plan(
            wish,
            resolved=self._resolved,
            ceiling=self._ceiling,
            credentials=self._credentials,
            limits=self._means.manner.limits,
            attached=attached(),
        )

    def _sweep_of(self, plan: Plan) -> Sweep:
        answered = frozenset(
            (number_of(one.target.snmp), one.target.port)
            for one in self._roster.answers(self._round.id)
            if isinstance(one.target, SnmpTarget)
        )
        return Sweep(
            plan,
            ceiling=self._ceiling,
            credentials=self._credentials,
            rate=self._means.manner.rate,
            timeout_s=self._means.manner.timeout_s,
            done=answered,
        )

    def _plan_of_moved(self) -> Plan:
        """Known devices that are silent, at the address where their MAC address now is.

        Only in a read: a search asks there anyhow. Only where the scope or the site says that
        devices may be looked for.
        """
        wish, plan = self._round.wish, self._sweeps[0].plan
        if wish.kind == "search":
            return Plan(())
        answered = {one.target.key for one in self._roster.answers(self._round.id)}
        found = moved_to(
            [one for one in self._known if one.target.key not in answered],
            self._means.neighbours(),
            _chosen(wish, self._resolved),
        )
        found = [
            one
            for one in found
            if plan.group_of(number_of(one.address), one.port) is None
            and not self._ceiling.refusal(one.address, one.port)
        ]
        asked = self._plan(wish.model_copy(update={"known": tuple(found)}))
        return Plan(tuple(one for one in asked.groups if one.found_by == "known"))

    async def _sweep(self, sweep: Sweep, orders: Orders) -> None:
        async with (
            SnmpClient(self._ceiling, timeout_s=self._means.manner.timeout_s) as client,
            self._counted(sweep, client),
            aclosing(findings(sweep, client, self._credentials, self._means.makers)) as found,
        ):
            async for finding in found:
                mac = mac_at(finding.target.snmp, self._means.neighbours())
                row = row_of(finding, mac=mac, now=self._means.now())
                if self._is_new(row):
                    await orders.give(row)
        for remark in sweep.remarks:
            log.warning("sweep", round=str(self._round.id), remark=remark)

    async def _list_attached(self, orders: Orders) -> None:
        wish, to_list = self._round.wish, self._to_list
        if not to_list:
            return
        listed = await self._means.list_attached(
            to_list, ceiling=self._ceiling, credentials=self._credentials
        )
        answers = self._roster.answers(self._round.id)
        rows, self.computers = rows_of(
            listed,
            to_list,
            wish=wish,
            known=self._known,
            by_network=by_network(wish, self._resolved, answers, self._known),
            resolved=await self._means.resolve(names_in(listed)),
            now=self._means.now(),
        )
        # all of them first: a deadline that comes meanwhile must not make the others silent
        for row in [row for row in rows if self._is_new(row)]:
            await orders.give(row)

    def _is_new(self, row: AnswerRow) -> bool:
        """Whether it is to be ordered; it is in the roster then."""
        return self._roster.add_answer(self._round.id, row) and row.outcome == "printing"

    @asynccontextmanager
    async def _counted(self, sweep: Sweep, client: SnmpClient) -> AsyncIterator[None]:
        """Packets and bytes in the roster every few seconds, and at the end.

        Counted first, so that a roster that cannot be written (a full disk) is met before the
        first datagram, and not by asking a whole network once more each time it is tried.
        """
        packets, octets = self._roster.counts(self._round.id)

        def count() -> None:
            both = (sweep.traffic, client.traffic)
            self._roster.count(
                self._round.id,
                packets + sum(one.packets_out + one.packets_in for one in both),
                octets + sum(one.bytes_out + one.bytes_in for one in both),
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


def _chosen(wish: Wish, resolved: Resolved) -> list[Span]:
    """Where devices may be looked for: chosen segments, and what is typed as a target."""
    typed = [*wish.segments, *wish.targets, *wish.site_targets]
    targets, _ = parse_targets(one for one in typed if not is_ipp_uri(one))
    return merged(one.hosts for target in targets for one in as_addresses(target, resolved))
