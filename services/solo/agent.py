"""The agent on one box: discovery, poller and uploader on a bus in the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.discovery.agenda import Agenda
from services.discovery.main import discovering
from services.discovery.settings import DiscoverySettings
from services.poller.main import polling
from services.poller.settings import PollerSettings
from services.solo.places import Places
from services.uploader.main import uploading
from services.uploader.settings import UploaderSettings
from shared.bus.local import LocalBus
from shared.ceiling import Ceiling
from shared.serve import health
from shared.settings import settings_or_exit


@asynccontextmanager
async def running_agent(
    places: Places,
    *,
    hub_url: str,
    key_file: Path,
    ca_file: Path | None,
    ceiling: Ceiling,
    targets: Sequence[str] = (),
    credentials: Sequence[str] = (),
    agent: str = "agent",
    health_port: int | None = None,
    contact_s: float | None = None,
    **discovery: object,
) -> AsyncIterator[Agenda]:
    """The agent while the block runs; it begins no round by itself: that is `Agenda.run`.

    Args:
        targets: typed at the site, searched and read with `credentials`.
        agent: the name that its messages carry.
        health_port: of /healthz, /readyz and /metrics on loopback; None: not served.
        contact_s: between two contacts with the hub; None: as usual.
        discovery: further settings of discovery, by name.

    Raises: what the three services raise where a setting or a file is wrong.
    """
    bus = LocalBus()
    files = {
        "ceiling_file": places.agent / "ceiling.toml",
        "credentials_file": places.agent / "credentials.json",
    }
    uploader = settings_or_exit(
        UploaderSettings,
        agent=agent,
        hub_url=hub_url,
        key_file=key_file,
        ca_file=ca_file,
        spool_file=places.agent / "spool.sqlite",
        ceiling_file=files["ceiling_file"],
        **({"contact_s": contact_s} if contact_s else {}),
    )
    finder = settings_or_exit(
        DiscoverySettings,
        agent=agent,
        roster_file=places.agent / "roster.sqlite",
        targets=tuple(targets),
        credentials=tuple(credentials),
        **files,
        **discovery,
    )
    poller = settings_or_exit(PollerSettings, agent=agent, **files)
    async with (
        uploading(uploader, bus) as relay,
        polling(poller, bus, ceiling),
        discovering(finder, bus, ceiling) as agenda,
        AsyncExitStack() as stack,
    ):
        if health_port is not None:
            await stack.enter_async_context(health(health_port, [bus.problem, relay.problem]))
        await bus.start()
        try:
            yield agenda
        finally:
            await bus.stop()
