"""The hub on one box: embedded database, own CA, ingest, reporter and console in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.console import main as console
from services.console.settings import ConsoleSettings
from services.ingest import main as ingest
from services.ingest.keys import add_key
from services.ingest.settings import IngestSettings
from services.ingest.sites import Site, add_customer, add_site, customers, sites
from services.ingest.sites import site_named as named
from services.reporter import main as reporter
from services.reporter.settings import ReporterSettings
from services.solo.ca import CaFiles, ensure_ca
from services.solo.places import Places
from shared.clock import utc_now
from shared.files import write_private
from shared.log import log
from shared.settings import settings_or_exit
from shared.store.embedded import embedded_postgres
from shared.store.postgres import Store, open_store

_RENEW_EVERY_S = 12 * 3600
_READY_S = 60.0


@dataclass(frozen=True)
class Hub:
    store: Store
    url: str  # of ingest, https
    ca: CaFiles
    console_url: str
    reports: ReporterSettings


@asynccontextmanager
async def running_hub(
    places: Places, *, host: str, port: int, console_port: int, names: Sequence[str]
) -> AsyncIterator[Hub]:
    """Everything of the hub while the block runs.

    Args:
        host, port: where ingest listens; port 0 takes a free one.
        names: further names and addresses that sites reach this box by.

    Raises: EmbeddedError, CaError, StoreError, OSError.
    """
    own = [name for name in (socket.gethostname(), *names) if name]
    with embedded_postgres(places.database) as database:
        write_private(places.database_url, database)
        ca = ensure_ca(places.hub / "ca", own, utc_now())
        url = {"database_url": database}
        reports = settings_or_exit(
            ReporterSettings, **url, mail_folder=places.mail, report_folder=places.reports
        )
        stopping = asyncio.Event()
        ingest_port, console_port_taken = _first(), _first()
        try:
            async with open_store(database) as store, asyncio.TaskGroup() as group:
                group.create_task(
                    ingest.run(
                        settings_or_exit(
                            IngestSettings,
                            **url,
                            host=host,
                            port=port,
                            tls_cert=ca.cert,
                            tls_key=ca.key,
                            ca_file=ca.ca_cert,
                        ),
                        stopping=stopping,
                        ready=ingest_port.set_result,
                    )
                )
                group.create_task(
                    console.run(
                        settings_or_exit(ConsoleSettings, **url, port=console_port),
                        store=store,
                        stopping=stopping,
                        ready=console_port_taken.set_result,
                    )
                )
                group.create_task(reporter.run(reports, store=store, stopping=stopping))
                renewing = group.create_task(_renew(places.hub / "ca", own))
                try:
                    async with asyncio.timeout(_READY_S):
                        taken, shown = await ingest_port, await console_port_taken
                    yield Hub(
                        store=store,
                        url=f"https://127.0.0.1:{taken}",
                        ca=ca,
                        console_url=f"http://127.0.0.1:{shown}/",
                        reports=reports,
                    )
                finally:
                    stopping.set()
                    renewing.cancel()
        finally:
            with suppress(OSError):
                places.database_url.unlink()


async def own_site(store: Store, places: Places, customer: str, site_name: str) -> Site:
    """The site of this box with its customer and key, made where they are not there yet."""
    if customer not in [row["name"] for row in await customers(store)]:
        await add_customer(store, customer)
    if site_name not in [row["name"] for row in await sites(store)]:
        await add_site(store, customer, site_name)
    site = await named(store, site_name)
    if not places.site_key.exists():
        write_private(places.site_key, await add_key(store, site))
    return site


async def _renew(folder: Path, names: Sequence[str]) -> None:
    while True:
        await asyncio.sleep(_RENEW_EVERY_S)
        ensure_ca(folder, names, utc_now())
        log.debug("certificate looked at")


def _first() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()
