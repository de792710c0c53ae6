"""What is done to a whole stack while it works, and who starts again what has ended."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.flow.stack import Stack
from tests.peers.cut import CutWay
from tests.peers.postgres import MortalPostgres
from tests.peers.rabbit import PrivateRabbit
from tests.peers.smtp import SmtpPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICES = ("discovery", "poller", "poller-2", "poller-3", "uploader", "ingest", "reporter")
_HOLD_S = 60.0
_LOOK_S = 0.2
# as Kubernetes' back-off, but short
_START_AGAIN_S = 0.5


@dataclass
class Harm:
    """`report` has one report made; `cut_s` is how long a cut of the network lasts."""

    stack: Stack
    rabbit: PrivateRabbit
    postgres: MortalPostgres
    way: CutWay
    smtp: SmtpPeer
    report: Callable[[], Awaitable[None]]
    cut_s: float
    done: Counter[str] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)  # by themselves, with code
    _broker_at_work: asyncio.Lock = field(default_factory=asyncio.Lock)

    def kinds(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            **{f"kill {name}": partial(self._kill, name) for name in SERVICES},
            "kill the reporter after the last dot": self._kill_after_last_dot,
            "kill RabbitMQ": partial(self._broker, signal.SIGKILL),
            "restart RabbitMQ": partial(self._broker, signal.SIGTERM),
            "kill PostgreSQL": partial(self._database, signal.SIGKILL),
            "restart PostgreSQL": partial(self._database, signal.SIGINT),
            "cut the network": self._cut,
        }

    def deck(self, dice: random.Random) -> Iterator[str]:
        """Every kind once, shuffled; and again."""
        while True:
            cards = list(self.kinds())
            dice.shuffle(cards)
            yield from cards

    async def do(self, plan: Sequence[tuple[float, str]]) -> None:
        """Each kind at its second from now."""

        async def at(second: float, kind: str) -> None:
            await asyncio.sleep(second)
            await self.kinds()[kind]()
            self.done[kind] += 1

        await asyncio.gather(*(at(*one) for one in plan))

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """What ends by itself is started again, as long as the block runs."""
        watching = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _supervise(self) -> None:
        while True:
            for name, code in self.stack.ended().items():
                self.ended[name, code] += 1
                if self.stack.ran_s(name) < 10:
                    await asyncio.sleep(_START_AGAIN_S)
                self.stack.restart(name)
            await asyncio.sleep(_LOOK_S)

    async def _kill(self, name: str) -> None:
        self.stack.restart(name)

    async def _kill_after_last_dot(self) -> None:
        """The mail server has the whole mail, and the reporter never hears of it."""
        self.smtp.is_holding.clear()
        self.smtp.release.clear()
        self.smtp.held["DATA"] = 1
        await self.report()
        held = await asyncio.to_thread(self.smtp.is_holding.wait, _HOLD_S)
        self.stack.restart("reporter")
        self.smtp.release.set()
        assert held, f"no mail came in {_HOLD_S:g} s\n{self.stack.said('reporter')}"

    async def _broker(self, number: signal.Signals) -> None:
        async with self._broker_at_work:  # one harm at a time
            await asyncio.to_thread(self.rabbit.stop, number)
            self.rabbit.launch()
            await asyncio.to_thread(self.rabbit.wait_until_up)

    async def _database(self, number: signal.Signals) -> None:
        self.postgres.stop(number)
        self.postgres.start()

    async def _cut(self) -> None:
        self.way.cut()
        await asyncio.sleep(self.cut_s)
        self.way.mend()
