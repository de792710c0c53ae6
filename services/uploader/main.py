"""The uploader: events wait in the spool and are carried to the hub; the scope comes back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from services.uploader.boot import SinceBoot, since_boot
from services.uploader.keep import Intake, keep
from services.uploader.numbering import SpoolError
from services.uploader.relay import Relay
from services.uploader.settings import SettingError, UploaderSettings
from services.uploader.spool import Spool
from services.uploader.status import Status
from services.uploader.way import Way
from services.uploader.withhold import unknown_fields
from shared.bus.port import DISCOVERY_SCOPE, UPLOADER_EVENTS, Bus, BusDownError
from shared.ceiling import CeilingFileError, load_ceiling
from shared.clock import utc_now
from shared.log import set_up_logs
from shared.serve import health, stop_on_signals, work_on
from shared.settings import settings_or_exit

_PREFETCH = 200


@asynccontextmanager
async def uploading(
    settings: UploaderSettings,
    bus: Bus,
    *,
    now: Callable[[], datetime] = utc_now,
    since_boot: Callable[[], SinceBoot | None] = since_boot,
) -> AsyncIterator[Relay]:
    """The uploader at work on `bus` while the block runs.

    Enter before the bus starts, leave after it has stopped. Where another clock than the box's is
    given as `now`, `since_boot` must go with it, or be one that gives None.

    Raises: SettingError, SpoolError, CeilingFileError.
    """
    withheld = frozenset(load_ceiling(settings.ceiling_file).withheld)
    for field in unknown_fields(withheld):
        raise SettingError(f"{settings.ceiling_file}: withheld: a read has no field {field!r}")
    way = Way(settings)
    spool = Spool(settings.spool_file)
    relay = Relay(
        spool,
        way,
        publish=bus.publish,
        now=now,
        since_boot=since_boot,
        status=Status(
            spool, bus_problem=bus.problem, contact_s=settings.contact_s, now=now
        ).as_json,
        contact_s=settings.contact_s,
        gather_s=settings.gather_s,
        keep_days=settings.keep_days,
    )
    intake = Intake(spool, stored=relay.wake, now=now, since_boot=since_boot)
    bus.on(
        UPLOADER_EVENTS,
        partial(keep, intake=intake, withheld=withheld, salt=spool.salt()),
        prefetch=_PREFETCH,
    )
    try:
        async with asyncio.TaskGroup() as group:
            carrying = group.create_task(relay.run())
            yield relay
            carrying.cancel()
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) > 1:
            raise
        raise errors.exceptions[0] from None  # what ended the block, as it was raised
    finally:
        await way.close()
        spool.close()


async def run(
    settings: UploaderSettings, bus: Bus | None = None, stopping: asyncio.Event | None = None
) -> None:
    """Until `stopping` is set, or SIGTERM where none is given."""
    bus = bus or rabbit(settings)
    stopping = stopping or stop_on_signals()
    async with (
        uploading(settings, bus) as relay,
        health(settings.health_port, [bus.problem, relay.problem]),
    ):
        await work_on(bus, stopping)


def rabbit(settings: UploaderSettings) -> Bus:
    """Raises: SettingError, where the URL is not set, or is not a broker's."""
    if settings.bus_url is None:
        raise SettingError("UPLOADER_BUS_URL: must be set, amqp://USER:PASSWORD@HOST:PORT")
    from shared.bus.rabbit import RabbitBus  # an agent in one process has no pika

    url = settings.bus_url.get_secret_value()
    try:
        return RabbitBus(
            url,
            feeds=[DISCOVERY_SCOPE],
            name="pagetally-uploader",
            ca_file=settings.bus_ca_file,
        )
    except ValueError as error:
        raise SettingError(f"UPLOADER_BUS_URL: {error}") from None


def main() -> None:
    settings = settings_or_exit(UploaderSettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (SettingError, SpoolError, CeilingFileError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except BusDownError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
