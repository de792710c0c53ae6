"""The console service: a page over HTTP, on loopback unless it is set otherwise."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager

import uvicorn

from services.console.app import create_app
from services.console.settings import ConsoleSettings
from shared.log import log, set_up_logs
from shared.serve import health, listen, stop_on_signals
from shared.settings import settings_or_exit
from shared.store.beating import beating
from shared.store.postgres import Store, StoreError, open_store

_DRAIN_S = 10


def main() -> None:
    settings = settings_or_exit(ConsoleSettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (StoreError, OSError) as error:
        sys.stderr.write(f"console: {error}\n")
        raise SystemExit(1) from None


async def run(
    settings: ConsoleSettings,
    store: Store | None = None,
    stopping: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Until `stopping` is set, or SIGTERM where none is given; `ready` gets the port.

    Raises: StoreError, where the database cannot be opened; OSError, for a port in use.
    """
    stopping = stopping or stop_on_signals()
    async with AsyncExitStack() as stack:
        if store is None:
            url = settings.database_url.get_secret_value()
            store = await stack.enter_async_context(open_store(url))
        await stack.enter_async_context(health(settings.health_port))
        await stack.enter_async_context(beating(store, "console"))
        server = _Server(
            uvicorn.Config(
                create_app(settings, store),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=50,
                timeout_graceful_shutdown=_DRAIN_S,
            )
        )
        listening = stack.enter_context(listen(settings.host, settings.port))
        port = int(listening.getsockname()[1])
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopped = asyncio.create_task(stopping.wait())
        try:
            log.info("console ready", url=f"http://{settings.host}:{port}/")
            if ready is not None:
                ready(port)
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are ours: several services may run in one process."""
        yield
