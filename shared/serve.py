"""Running until SIGTERM, with health, readiness and metrics on loopback."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from shared.bus.port import Bus
from shared.log import log

STOP_S = 27.0  # of the 30 s after which a process that was told to stop is killed

Problem = Callable[[], str | None]  # what keeps a dependency from working, in words


def stop_on_signals(*, within_s: float = STOP_S) -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; `within_s` later the process ends in any case.

    A look-up of a name has no end of its own: while no name server answers it holds a thread for
    a minute, and the loop would wait for that thread.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            loop.call_later(within_s, _leave, within_s)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _leave(after_s: float) -> None:
    log.warning("stopped without the end of what still ran", seconds=after_s)
    os._exit(1)


def listen(host: str, port: int, backlog: int = 100) -> socket.socket:
    """A socket whose connections send each piece of an answer at once.

    asyncio sees to that for sockets that it opened alone: of another's connections the second
    piece waits for the other side's acknowledgement of the first, which may take 40 ms.
    Raises: OSError.
    """
    listening = socket.create_server((host, port), backlog=backlog)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
    return listening


def collect_seldom() -> None:
    """Garbage collection for a process that makes many objects which live for a moment.

    What was loaded until now is never looked at again, and what comes later is looked at seldom:
    at Python's own pace that was a fifth of the processor time of reading devices.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def work_on(bus: Bus, stopping: asyncio.Event) -> None:
    """Start `bus`, and stop it once `stopping` is set, which is heeded while it starts too.

    Raises: BusDownError, where it could not start.
    """
    collect_seldom()
    try:
        await until(stopping, bus.start())
        await stopping.wait()
    finally:
        await bus.stop()


async def until(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do `work` until it ends or `stopping` is set; it has ended when this returns.

    Raises what the work raised.
    """
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, waiting):
            if not task.done():
                task.cancel()
        ended, _ = await asyncio.gather(working, waiting, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


@asynccontextmanager
async def health(port: int, problems: Iterable[Problem] = ()) -> AsyncIterator[int]:
    """/healthz, /readyz and /metrics on 127.0.0.1 while the block runs; gives the port.

    /readyz is 503 with one line a dependency that does not work.
    """
    checks = list(problems)
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start_response)
        if path == "/healthz":
            faults: list[str] = []
        elif path == "/readyz":
            faults = [fault for check in checks if (fault := check())]
        else:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        start_response(
            "503 Service Unavailable" if faults else "200 OK",
            [("Content-Type", "text/plain; charset=utf-8")],
        )
        return [("\n".join(faults) or "ok").encode() + b"\n"]

    try:
        server = make_server(
            "127.0.0.1", port, answer, server_class=_Server, handler_class=_QuietHandler
        )
    except OSError as error:
        where = f"health and metrics at 127.0.0.1:{port}"
        raise OSError(error.errno, f"{where}: {error.strerror}") from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


class _Server(WSGIServer):
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Without the reverse look-up of the host's name that the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name = "localhost"
        self.server_port = self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    timeout = 5

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Health is asked every few seconds; nobody reads that."""
