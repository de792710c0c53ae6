"""The poller: an order in, the device's meters or the reason why not out."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from prometheus_client import Counter

from services.poller.ipp import ipp_client
from services.poller.plan import Plans
from services.poller.profile import ProfileError, load_profiles
from services.poller.read import dead, read
from services.poller.recognise import Profiles
from services.poller.sessions import connecting
from services.poller.settings import PollerSettings, SettingError
from shared.bus.port import (
    POLLER_ALONE,
    POLLER_DEAD,
    POLLER_FOUND,
    UPLOADER_EVENTS,
    Bus,
    BusDownError,
    Delivery,
    Handler,
)
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.clock import utc_now
from shared.credentials import Credential, CredentialError, load_credentials
from shared.log import log, set_up_logs
from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed
from shared.serve import health, stop_on_signals, work_on
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient

_OUTCOMES = Counter("pagetally_poller_outcomes", "Orders by how they ended", ["outcome"])

OrderHandler = Callable[[DeviceFound, Delivery], Awaitable[Sequence[Message]]]


@asynccontextmanager
async def polling(
    settings: PollerSettings, bus: Bus, ceiling: Ceiling | None = None
) -> AsyncIterator[None]:
    """The poller at work on `bus` while the block runs.

    Enter before the bus starts, leave after it has stopped. `ceiling` stands for the file's where
    one process has more to name than its file does.

    Raises: SettingError, CeilingFileError, CredentialError, ProfileError.
    """
    ceiling = ceiling or load_ceiling(settings.ceiling_file)
    credentials = fresh_credentials(settings.credentials_file)
    credentials()
    profiles = Profiles(load_profiles(*([settings.profiles] if settings.profiles else [])))
    async with (
        SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client,
        ipp_client(settings, ceiling) as ipp,
    ):
        on_found = _told(
            partial(
                read,
                agent=settings.agent,
                connect=connecting(client, settings),
                ask_ipp=ipp.ask,
                credentials=credentials,
                ceiling=ceiling,
                profiles=profiles,
                plans=Plans(),
                now=utc_now,
            )
        )
        bus.on(POLLER_FOUND, on_found, prefetch=settings.in_flight)
        bus.on(POLLER_ALONE, on_found, prefetch=1)
        bus.on(POLLER_DEAD, _told(partial(dead, agent=settings.agent, now=utc_now)), prefetch=1)
        yield


async def run(
    settings: PollerSettings, bus: Bus | None = None, stopping: asyncio.Event | None = None
) -> None:
    """Until `stopping` is set, or SIGTERM where none is given."""
    bus = bus or rabbit(settings)
    stopping = stopping or stop_on_signals()
    async with polling(settings, bus), health(settings.health_port, [bus.problem]):
        await work_on(bus, stopping)


def main() -> None:
    settings = settings_or_exit(PollerSettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (SettingError, CeilingFileError, CredentialError, ProfileError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except BusDownError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def fresh_credentials(path: Path) -> Callable[[], Mapping[str, Credential]]:
    """The credentials as the file says them now: one that a person adds is used at once."""
    held: dict[object, Mapping[str, Credential]] = {}

    def credentials() -> Mapping[str, Credential]:
        state = path.stat() if path.exists() else None
        stamp = (state.st_mtime_ns, state.st_size, state.st_ino, state.st_mode) if state else None
        if stamp not in held:
            fresh = load_credentials(path)
            held.clear()
            held[stamp] = fresh
        return held[stamp]

    return credentials


def rabbit(settings: PollerSettings) -> Bus:
    """Raises: SettingError, where the URL is not set, or is not a broker's."""
    if settings.bus_url is None:
        raise SettingError("POLLER_BUS_URL: must be set, amqp://USER:PASSWORD@HOST:PORT")
    from shared.bus.rabbit import RabbitBus  # an agent in one process has no pika

    try:
        return RabbitBus(
            settings.bus_url.get_secret_value(),
            feeds=[UPLOADER_EVENTS],
            name="pagetally-poller",
            ca_file=settings.bus_ca_file,
        )
    except ValueError as error:
        raise SettingError(f"POLLER_BUS_URL: {error}") from None


def _told(handler: OrderHandler) -> Handler:
    """One log line and one count an outcome."""

    async def handle(message: Message, delivery: Delivery) -> Sequence[Message]:
        assert isinstance(message, DeviceFound)
        began = time.monotonic()
        results = await handler(message, delivery)
        for result in results:
            _tell(result, round(1000 * (time.monotonic() - began)))
        return results

    return handle


def _tell(result: Message, ms: int) -> None:
    if isinstance(result, MeterRead):
        _OUTCOMES.labels("read").inc()
        log.info(
            "read taken",
            target=result.target.key,
            serial=result.device.serial,
            read_id=str(result.id),
            profile=result.profile,
            meters=len(result.meters),
            datagrams=result.datagrams,
            ms=ms,
        )
    elif isinstance(result, ReadFailed):
        _OUTCOMES.labels(result.outcome).inc()
        level = log.error if result.outcome == "set_aside" else log.info
        level(
            "read failed",
            target=result.target.key,
            outcome=result.outcome,
            reason=result.reason,
            order=str(result.order),
            ms=ms,
        )
