"""The ingest service: HTTPS in, PostgreSQL out."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import uvicorn

from services.ingest.routes import create_app
from services.ingest.settings import IngestSettings
from shared.log import log, set_up_logs
from shared.serve import collect_seldom, listen, stop_on_signals
from shared.settings import settings_or_exit
from shared.store.beating import beating
from shared.store.postgres import StoreError, open_store

_START_S = 10.0
_DRAIN_S = 20
_CERTIFICATE_EVERY_S = 30.0
_SWITCH_S = 0.0005  # so long a thread keeps the loop from the interpreter
_CONNECTIONS = 250  # one over TLS takes 350 kB


def main() -> None:
    settings = settings_or_exit(IngestSettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (StoreError, OSError) as error:
        log.error("ingest ended", error=str(error))
        raise SystemExit(1) from None


async def run(
    settings: IngestSettings,
    *,
    stopping: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stopping` is set, or a signal comes where none is given.

    `ready` is called with the port once connections are taken.
    Raises: StoreError, OSError (a port in use, a certificate that cannot be read).
    """
    stopping = stopping or stop_on_signals()
    async with (
        open_store(settings.database_url.get_secret_value(), settings.pool_size) as store,
        beating(store, "ingest"),
    ):
        config = uvicorn.Config(
            create_app(settings, store),
            http="h11",  # bounds the size of a request's head
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_DRAIN_S,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        collect_seldom()
        sys.setswitchinterval(_SWITCH_S)
        server = _Server(config)
        with listen(settings.host, settings.port, backlog=256) as listening:
            port = int(listening.getsockname()[1])
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            stopped = asyncio.create_task(stopping.wait())
            renewing = asyncio.create_task(_keep_certificate(settings, config.ssl))
            try:
                async with asyncio.timeout(_START_S):
                    await server.taking.wait()
                log.info("ingest ready", host=settings.host, port=port, tls=config.is_ssl)
                if ready:
                    ready(port)
                await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                server.should_exit = True
                for task in (stopped, renewing):
                    task.cancel()
                await serving


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.taking = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.taking.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are ours: several services may run in one process."""
        yield


async def _keep_certificate(settings: IngestSettings, context: ssl.SSLContext | None) -> None:
    """Use a renewed certificate for new connections, without a restart."""
    if context is None or settings.tls_cert is None:
        return
    used = settings.tls_cert.stat().st_mtime
    while True:
        await asyncio.sleep(_CERTIFICATE_EVERY_S)
        with suppress(OSError):  # while it is being replaced
            found = settings.tls_cert.stat().st_mtime
            if found != used:
                # tried apart first: a certificate without its key would spoil the one in use
                for each in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
                    each.load_cert_chain(settings.tls_cert, settings.tls_key)
                used = found
                log.info("certificate renewed", file=str(settings.tls_cert))
