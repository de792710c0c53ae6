"""Discovery: build, connect, run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.discovery.agenda import Agenda
from services.discovery.asking import Manner
from services.discovery.identify import load_makers
from services.discovery.lister import Lister
from services.discovery.listing import list_segments
from services.discovery.plan import Limits
from services.discovery.resolve import resolve
from services.discovery.roster import Roster, RosterError
from services.discovery.rounds import Rounds
from services.discovery.settings import DiscoverySettings, SettingError
from shared.bus.port import DISCOVERY_SCOPE, POLLER_FOUND, UPLOADER_EVENTS, Bus, BusDownError
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.clock import utc_now
from shared.credentials import CredentialError, load_credentials
from shared.log import set_up_logs
from shared.serve import health, stop_on_signals, until
from shared.settings import settings_or_exit


async def run(
    settings: DiscoverySettings, bus: Bus | None = None, stopping: asyncio.Event | None = None
) -> None:
    """Until `stopping` is set, or SIGTERM where none is given.

    A bus that is given is another's: it is started and stopped there.

    Raises: SettingError, CeilingFileError, CredentialError, RosterError, BusDownError.
    """
    stopping = stopping or stop_on_signals()
    if bus:
        async with discovering(settings, bus) as agenda:
            await until(stopping, agenda.run())
        return
    bus = rabbit(settings)
    async with (
        discovering(settings, bus) as agenda,
        health(settings.health_port, [bus.problem]),
    ):
        try:
            await until(stopping, _start_and_run(bus, agenda))
        finally:
            await bus.stop()


@asynccontextmanager
async def discovering(
    settings: DiscoverySettings, bus: Bus, ceiling: Ceiling | None = None
) -> AsyncIterator[Agenda]:
    """The agenda, with the scope's handler on the bus; the roster is open while the block runs.

    `ceiling` stands for the file's where one process has more to name than its file does.
    """
    ceiling = ceiling or load_ceiling(settings.ceiling_file)
    credentials = partial(load_credentials, settings.credentials_file)
    credentials()  # a file that cannot be read is told now, not at night
    manner = Manner(
        agent=settings.agent,
        rate=min(settings.rate, ceiling.pace),
        timeout_s=settings.timeout_s,
        limits=Limits(settings.max_addresses, settings.tries),
        read_margin_s=settings.read_margin_s,
        orders_at_once=settings.orders_at_once,
    )
    roster = Roster(settings.roster_file)
    try:
        rounds = Rounds(
            roster,
            bus.publish,
            manner=manner,
            ceiling=ceiling,
            credentials=credentials,
            makers=load_makers(),
            resolve=resolve,
            now=utc_now,
        )
        lister = Lister(
            roster,
            bus.publish,
            partial(list_segments, settings=settings, ceiling=ceiling, credentials=credentials),
            utc_now,
            ceiling.quiet_hours,
        )
        agenda = Agenda(roster, rounds, settings, utc_now, ceiling.quiet_hours, lister)
        bus.on(DISCOVERY_SCOPE, agenda.keep_scope, prefetch=1)
        yield agenda
    finally:
        roster.close()


async def _start_and_run(bus: Bus, agenda: Agenda) -> None:
    await bus.start()
    await agenda.run()


def rabbit(settings: DiscoverySettings) -> Bus:
    """Raises: SettingError, where the URL is not set, or is not a broker's."""
    if settings.bus_url is None:
        raise SettingError("DISCOVERY_BUS_URL: must be set, amqp://USER:PASSWORD@HOST:PORT")
    from shared.bus.rabbit import RabbitBus  # an agent in one process has no pika

    try:
        return RabbitBus(
            settings.bus_url.get_secret_value(),
            feeds=[POLLER_FOUND, UPLOADER_EVENTS],
            name=f"discovery {settings.agent}",
            ca_file=settings.bus_ca_file,
        )
    except ValueError as error:
        raise SettingError(f"DISCOVERY_BUS_URL: {error}") from None


def main() -> None:
    settings = settings_or_exit(DiscoverySettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (SettingError, CeilingFileError, CredentialError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except (RosterError, BusDownError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
