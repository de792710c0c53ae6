"""The bus on RabbitMQ, by pika's asyncio connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from shared.bus.address import parameters_of
from shared.bus.amqp import Link, LostError, RefusedError
from shared.bus.consumer import Consumer
from shared.bus.port import BusDownError, Handler, Queue
from shared.bus.publisher import Publisher, back_off, post_of
from shared.bus.topology import declare, look
from shared.log import log
from shared.message import Message

FINISH_S = 15.0  # for handlers, of the 20 s that stopping may take
CLOSE_S = 2.0
SET_UP_S = 30.0
SUSPECTS_FIRST_S = 60.0
_STEADY_S = 5.0  # a connection that lasted so long is tried again at once
_DECLARE_AGAIN_S = 1.0


class RabbitBus:
    """Publishes to the queues in `feeds`, takes from those given to `on`.

    Both kinds are declared by whoever starts first, so that nothing is published into the void.
    """

    def __init__(
        self,
        url: str,
        *,
        feeds: Sequence[Queue] = (),
        name: str = "pagetally",
        ca_file: Path | None = None,
        publish_timeout_s: float = 60.0,
        connect_timeout_s: float = 60.0,
        store_pause_s: float = 30.0,
    ) -> None:
        """`name` is what the broker shows for this connection.

        Raises: ValueError, where `url` is not a broker's, or `ca_file` holds no certificate.
        """
        self._parameters = parameters_of(url, name, ca_file)
        given = self._parameters
        self._where = f"broker {given.host}:{given.port}, vhost {given.virtual_host}"
        self._queues = list(feeds)
        self._connect_timeout_s = connect_timeout_s
        self._store_pause_s = store_pause_s
        self._publisher = Publisher(publish_timeout_s, self._declare_again)
        self._consumers: dict[str, Consumer] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._fault: str | None = "not started"
        self._link: Link | None = None
        self._may_declare = True
        self._declared_at = 0.0
        # its log lines are neither key=value nor one an outcome; this adapter says what happens
        logging.getLogger("pika").setLevel(logging.CRITICAL)

    def on(self, queue: Queue, handler: Handler, *, prefetch: int) -> None:
        self._queues.append(queue)
        self._consumers[queue.name] = Consumer(
            queue, handler, prefetch, self._publisher, self._store_pause_s
        )

    async def start(self) -> None:
        """Returns when connected and declared.

        Raises: BusDownError, where that took longer than `connect_timeout_s`.
        """
        self._fault = "not connected"
        self._keeper = asyncio.create_task(self._keep())
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait(
            {up, self._keeper},
            timeout=self._connect_timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        up.cancel()
        if not self._up.is_set():
            fault = self.problem()
            await self.stop()
            raise BusDownError(fault)

    async def publish(self, message: Message) -> None:
        await self._publisher.send(post_of(message))

    async def stop(self) -> None:
        consumers = list(self._consumers.values())
        await asyncio.gather(*(consumer.cancel() for consumer in consumers))
        await asyncio.gather(*(consumer.finish(FINISH_S) for consumer in consumers))
        self._publisher.end()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._fault = "the bus has stopped"

    def problem(self) -> str | None:
        if self._fault is not None:
            return f"{self._where}: {self._fault}"
        if self._keeper is None or self._keeper.done():
            return f"{self._where}: the bus has ended"
        if self._publisher.problem is not None:
            return f"{self._where}: {self._publisher.problem}"
        return next((c.problem for c in self._consumers.values() if c.problem), None)

    async def _keep(self) -> None:
        """Connect, and connect again, until cancelled."""
        loop = asyncio.get_running_loop()
        pauses = back_off()
        told = ""
        while True:
            began_at = loop.time()
            await self._connection()
            was_steady = loop.time() - began_at > _STEADY_S
            tell = log.debug if self._fault == told and not was_steady else log.warning
            tell("broker lost", broker=self._where, why=self._fault)
            told = self._fault or ""
            if was_steady:
                pauses = back_off()
            await asyncio.sleep(next(pauses))

    async def _connection(self) -> None:
        """One connection, from its opening to its loss; `_fault` says why it ended."""
        link = Link()
        subscribing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(SET_UP_S):
                await link.open(self._parameters, self._on_blocked)
                await self._declare(link)
                await self._publisher.connect(await link.channel())
            self._link = link
            self._fault = None
            self._up.set()
            log.info("broker connected", broker=self._where)
            subscribing = asyncio.create_task(self._subscribe(link))
            self._fault = await link.lost
        except LostError as error:
            self._fault = str(error)
        except TimeoutError:
            self._fault = f"no answer in {SET_UP_S:g} s"
        except Exception as error:  # noqa: BLE001  (a bus that has ended for good helps nobody)
            log.exception("broker connection failed", broker=self._where)
            self._fault = repr(error)[:300]
        finally:
            self._link = None
            self._publisher.disconnect(self._fault or "not connected")
            if subscribing is not None:
                subscribing.cancel()
            for consumer in self._consumers.values():
                consumer.lose()
            await link.close(CLOSE_S)

    async def _subscribe(self, link: Link) -> None:
        """A queue that has suspects is taken from only when these are read.

        So a suspect that kills this process takes nobody's delivery count along; see
        docs/decisions/0002.
        """
        try:
            for consumer in sorted(
                self._consumers.values(),
                key=lambda consumer: consumer.queue.suspect_after is not None,
            ):
                if consumer.queue.suspect_after is not None:
                    await self._read_suspects(consumer.queue)
                await consumer.subscribe(link)
        except LostError as error:
            link.fail(str(error))

    async def _read_suspects(self, of: Queue) -> None:
        alone = self._consumers.get(of.dead_letters.name) if of.dead_letters else None
        if alone is None:
            return
        try:
            async with asyncio.timeout(SUSPECTS_FIRST_S):
                await alone.drained()
        except TimeoutError:
            log.warning("suspects still wait", queue=alone.queue.name, seconds=SUSPECTS_FIRST_S)

    async def _declare(self, link: Link) -> None:
        """A user who may not declare looks whether all is there; see shared/bus/permissions.py.

        Raises: LostError
        """
        if self._may_declare:
            channel = await link.channel(apart=True)
            try:
                await declare(channel, self._queues)
            except RefusedError as refusal:
                self._may_declare = False  # asked once: the broker logs each refusal
                log.info("declares nothing", broker=self._where, why=str(refusal))
            else:
                channel.close()
                return
        channel = await link.channel(apart=True)
        try:
            await look(channel, self._queues)
        except LostError as error:
            raise LostError(f"{error}; `pagetally broker set-up` makes what is missing") from error
        channel.close()

    async def _declare_again(self) -> None:
        """Somebody may have deleted a queue; asked by each message that was not taken."""
        now = asyncio.get_running_loop().time()
        if self._link is None or now - self._declared_at < _DECLARE_AGAIN_S:
            return
        self._declared_at = now
        try:
            await self._declare(self._link)
        except LostError as error:
            log.warning("not declared again", why=str(error))

    def _on_blocked(self, reason: str | None) -> None:
        if reason is None:
            log.info("broker takes messages again", broker=self._where)
            self._publisher.reopen()
        else:
            log.warning("broker blocked", broker=self._where, why=reason)
            self._publisher.shut(reason)
