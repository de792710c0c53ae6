"""A hub for one site: ingest over TLS in the test's own process, stopped and started at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from pydantic import SecretStr

from services.ingest import main as ingest
from services.ingest.keys import add_key
from services.ingest.settings import IngestSettings
from services.ingest.sites import Site, add_customer, add_site
from services.solo.ca import ensure_ca
from shared.clock import utc_now
from shared.decode import decode
from shared.files import write_private
from shared.message import Message
from shared.messages import MeterRead, RoundFinished
from shared.store.postgres import Store, open_store
from tests.peers import free_port

M = TypeVar("M", bound=Message)


class Hub:
    """Keeps its port and its certificate over `stop` and `start`."""

    def __init__(self, store: Store, site: Site, settings: IngestSettings, pin: str) -> None:
        self.store = store
        self.site = site
        self.pin = pin  # "sha256:…" of its CA
        self.port = settings.port
        self._settings = settings
        self._stopping = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._serving = asyncio.create_task(
            ingest.run(self._settings, stopping=self._stopping, ready=lambda _: ready.set())
        )
        await asyncio.wait_for(ready.wait(), 20)

    async def stop(self) -> None:
        self._stopping.set()
        if self._serving:
            await self._serving
            self._serving = None

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.store.transaction() as connection:
            return await (await connection.execute(sql.encode())).fetchall()

    async def count(self, table: str) -> int:
        [row] = await self.rows(f"select count(*) as n from {table}")
        return int(row["n"])

    async def rounds(self) -> dict[UUID, list[RoundFinished]]:
        """The parts of each round that is finished, as they were received."""
        found: dict[UUID, list[RoundFinished]] = {}
        for part in await self._received(RoundFinished):
            found.setdefault(part.round, []).append(part)
        return found

    async def reads(self) -> list[MeterRead]:
        return await self._received(MeterRead)

    async def _received(self, kind: type[M]) -> list[M]:
        key = kind.routing_key
        rows = await self.rows(f"select body from message where type = '{key}' order by ledger_no")
        return [cast(M, decode(key, bytes(row["body"]))) for row in rows]

    async def outcomes(self) -> dict[UUID, str]:
        """Order -> "read" or "failed"."""
        rows = await self.rows("select order_id, outcome from order_outcome")
        assert len({row["order_id"] for row in rows}) == len(rows)
        return {row["order_id"]: row["outcome"] for row in rows}


@asynccontextmanager
async def running_hub(
    database: str, folder: Path, key_file: Path, *, names: Sequence[str] = ()
) -> AsyncIterator[Hub]:
    """A hub on 127.0.0.1, started, with the site's key in `key_file`.

    Args:
        names: further names and addresses that its certificate is for.
    """
    ca = ensure_ca(folder, names, utc_now())
    settings = IngestSettings(
        database_url=SecretStr(database),
        port=free_port(),
        tls_cert=ca.cert,
        tls_key=ca.key,
        ca_file=ca.ca_cert,
        requests_a_minute=6000,
    )
    async with open_store(database) as store:
        await add_customer(store, "Example")
        site = await add_site(store, "Example", "north")
        write_private(key_file, await add_key(store, site))
        hub = Hub(store, site, settings, ca.fingerprint)
        await hub.start()
        try:
            yield hub
        finally:
            await hub.stop()


async def eventually(
    holds: Callable[[], Awaitable[object]], within_s: float, what: Callable[[], object] = str
) -> None:
    """Returns once `holds` does; fails with what `what` says."""
    end = asyncio.get_running_loop().time() + within_s
    while not await holds():
        assert asyncio.get_running_loop().time() < end, what()
        await asyncio.sleep(0.05)
