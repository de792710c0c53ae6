"""pika's callbacks as awaited calls: one connection to the broker, and channels on it.

A channel that breaks takes its connection down with it, so that there is one way back: connect,
declare and subscribe anew.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from pika import URLParameters
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorPhaseErrorBase,
)
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosed,
    ConnectionClosed,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)

from shared.bus.address import tls_in_words
from shared.bus.connection import Connection
from shared.bus.frames import Frames

_ABORT_S = 1.0
_REFUSED = 403  # AMQP 0-9-1, access-refused


class LostError(Exception):
    """The connection broke or never came up; the text says why, in words."""


class RefusedError(LostError):
    """This user may not do that (403)."""


def in_words(error: BaseException | None) -> str:
    """Why pika says that a connection or channel ended, at most 300 characters."""
    error = _cause(error)
    if isinstance(error, ProbableAuthenticationError):
        return "user or password refused"
    if isinstance(error, ProbableAccessDeniedError):
        return "no such vhost, or no access to it"
    if isinstance(error, StreamLostError):
        return f"connection lost: {', '.join(map(str, error.args))}"[:300]
    if isinstance(error, ConnectionClosed | ChannelClosed):
        return f"{error.reply_text} ({error.reply_code})"[:300]
    if isinstance(error, ssl.SSLError):
        return tls_in_words(error)
    if isinstance(error, OSError):
        return (error.strerror or str(error))[:300]
    return f"{type(error).__name__}: {error}"[:300]


def _cause(error: BaseException | None) -> BaseException | None:
    """What pika wrapped."""
    while True:
        if isinstance(error, AMQPConnectionWorkflowFailed) and error.exceptions:
            error = error.exceptions[-1]
        elif isinstance(error, AMQPConnectorPhaseErrorBase):
            error = error.exception
        elif error and type(error) is AMQPConnectionError and error.args:
            error = error.args[0]
        else:
            return error


def settle(future: asyncio.Future[Any], outcome: object = None) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class Link:
    """One connection, from its opening to its loss."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()  # why
        self._gone: asyncio.Future[None] = loop.create_future()
        self._connection: Any = None

    async def open(
        self, parameters: URLParameters, on_blocked: Callable[[str | None], None]
    ) -> None:
        """`on_blocked` gets the broker's reason to take nothing, and None when it takes again.

        Raises: LostError
        """
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def failed(_: object, error: BaseException) -> None:
            settle(self._gone)
            settle(opened, LostError(in_words(error)))

        def closed(_: object, error: BaseException) -> None:
            settle(self._gone)
            self.fail(in_words(error))

        self._connection = Connection(
            parameters,
            on_open_callback=lambda _: settle(opened),
            on_open_error_callback=failed,
            on_close_callback=closed,
        )
        self._connection.add_on_connection_blocked_callback(
            lambda _, frame: on_blocked(f"takes nothing now: {frame.method.reason}"[:300])
        )
        self._connection.add_on_connection_unblocked_callback(lambda *_: on_blocked(None))
        await opened

    def fail(self, reason: str) -> None:
        settle(self.lost, reason)

    async def channel(self, *, apart: bool = False) -> Channel:
        """One that is `apart` may break without its link.

        Raises: LostError
        """
        channel = Channel(self, apart=apart)
        opened: asyncio.Future[None] = channel.expect()
        try:
            raw = self._connection.channel(on_open_callback=lambda _: settle(opened))
        except AMQPError as error:
            raise LostError(in_words(error)) from error
        channel.use(raw)
        await opened
        return channel

    async def close(self, timeout_s: float) -> None:
        """Flushes what was acknowledged; after `timeout_s` the broker is not waited for."""
        if self._connection is None or self._gone.done():
            return
        if not (self._connection.is_closing or self._connection.is_closed):
            self._connection.close()
        if not (await asyncio.wait({self._gone}, timeout=timeout_s))[0]:
            # pika has no public way to end a connection that the broker does not answer on
            self._connection._terminate_stream(ConnectionAbortedError("no answer"))  # noqa: SLF001
            await asyncio.wait({self._gone}, timeout=_ABORT_S)


class Channel:
    """A channel; when it is lost, what waits on it fails with LostError, and so does its link."""

    def __init__(self, link: Link, *, apart: bool) -> None:
        self._link = link
        self._apart = apart
        self._waiting: set[asyncio.Future[Any]] = set()
        self.raw: Any = None

    @property
    def is_open(self) -> bool:
        return bool(self.raw is not None and self.raw.is_open and not self._link.lost.done())

    def use(self, raw: Any) -> None:  # noqa: ANN401  (pika has no types)
        self.raw = raw
        raw.add_on_close_callback(self._closed)
        raw.add_on_cancel_callback(lambda _: self._link.fail("the broker ended a consumer"))

    def frames(self) -> Frames:
        """What makes frames for this channel; `write` sends them."""
        made: Frames = self.raw.connection.frames(self.raw.channel_number)
        return made

    def write(self, frames: bytes) -> None:
        """Raises: LostError"""
        if not self.raw.is_open:
            raise LostError("the channel is closed")
        self.raw.connection.write(frames)

    def expect(self) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    async def call(self, method: Callable[..., object], *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """The frame that the broker answers a method of `raw` with. Raises: LostError"""
        answered = self.expect()
        try:
            method(*args, callback=partial(settle, answered), **kwargs)
        except AMQPError as error:
            raise LostError(in_words(error)) from error
        return await answered

    def close(self) -> None:
        if self.raw.is_open:
            self.raw.close()

    def _closed(self, _: object, error: BaseException) -> None:
        reason = in_words(error)
        refused = isinstance(error, ChannelClosed) and error.reply_code == _REFUSED
        for future in list(self._waiting):
            settle(future, RefusedError(reason) if refused else LostError(reason))
        if not self._apart:
            self._link.fail(reason)
