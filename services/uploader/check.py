"""Every step from here to the hub, tried one after the other, each with what to do if it fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from services.uploader.failures import HubError, NotReachedError, refused
from services.uploader.send import Answer, Hub, proxy_for, trust
from services.uploader.settings import SettingError, UploaderSettings, read_key
from shared.bus.port import Bus, BusDownError

_STEP_S = 15.0
_LEAST_FREE = 100_000_000
_MOST_OFFSET = timedelta(minutes=5)  # from there on the hub shows the clock as wrong
_TO_THE_HUB = ("name", "tcp", "proxy", "tls", "hub", "key", "clock")


class Step(NamedTuple):
    outcome: Literal["ok", "failed", "skipped"]
    name: str
    said: str
    advice: str = ""


async def check(
    settings: UploaderSettings,
    *,
    now: Callable[[], datetime],
    connect_bus: Callable[[str], Bus],
) -> AsyncIterator[Step]:
    """Each step as it ends. Of the way to the hub what follows a failure is skipped."""
    yield _spool(settings.spool_file)
    stopped_at = None
    async for step in _way_to_hub(settings, now):
        yield step
        if step.outcome == "failed" and step.name not in ("key", "clock"):
            stopped_at = step.name
    if stopped_at:
        for name in _TO_THE_HUB[_TO_THE_HUB.index(stopped_at) + 1 :]:
            yield Step("skipped", name, f"not tried, because {stopped_at} failed")
    if settings.bus_url is not None:
        yield await _broker(settings.bus_url.get_secret_value(), connect_bus)


def _spool(path: Path) -> Step:
    folder = path.parent
    while not os.path.exists(folder):  # noqa: PTH110  (False too where one may not look)
        folder = folder.parent
    shut = folder if not os.access(folder, os.W_OK) else path
    if os.path.exists(shut) and not os.access(shut, os.W_OK):  # noqa: PTH110
        return Step("failed", "spool", f"{shut} cannot be written", "give it to this user")
    free = shutil.disk_usage(folder).free
    said = f"{path}, {free // 1_000_000} MB free"
    if free < _LEAST_FREE:
        return Step(
            "failed", "spool", said, "make room: reads that cannot be kept stay in the broker"
        )
    return Step("ok", "spool", said)


async def _way_to_hub(
    settings: UploaderSettings, now: Callable[[], datetime]
) -> AsyncIterator[Step]:
    try:
        said = settings.proxy.get_secret_value() if settings.proxy else None
        proxy = proxy_for(settings.hub_url, said)
    except SettingError as error:
        yield Step("failed", "proxy", str(error), "correct it")
        return
    parts = urlsplit(proxy or settings.hub_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    async for step in _connected(parts.hostname or "", port, "proxy" if proxy else "hub"):
        yield step
        if step.outcome == "failed":
            return
    try:
        believed = trust(settings.ca_file)
    except SettingError as error:
        yield Step("failed", "tls", str(error), "set UPLOADER_CA_FILE to the hub's CA")
        return
    key: str | SettingError
    try:
        key = read_key(settings.key_file)
    except SettingError as error:
        key = error
    hub = Hub(settings.hub_url, key if isinstance(key, str) else None, trust=believed, proxy=proxy)
    async with hub:
        async for step in _asked(hub, key, now):
            yield step


async def _connected(host: str, port: int, what: str) -> AsyncIterator[Step]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_STEP_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        yield Step(
            "failed", "name", f"{host}: this name is not known here", "check it, and the DNS"
        )
        return
    addresses = sorted({str(entry[4][0]) for entry in found})
    yield Step("ok", "name", f"the {what} {host} is {', '.join(addresses)}")
    try:
        async with asyncio.timeout(_STEP_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else _in_words(error)
        yield Step(
            "failed",
            "tcp",
            f"the {what} {host}:{port}: {why}",
            f"is the {what} up? does a firewall let it through? is a proxy needed here?",
        )
        return
    writer.close()
    yield Step("ok", "tcp", f"connected to the {what} {host}:{port}")


def _in_words(error: OSError) -> str:
    """Of several addresses that were tried, asyncio tells what each said, and no number."""
    return os.strerror(error.errno) if error.errno else str(error)[:300]


async def _asked(
    hub: Hub, key: str | SettingError, now: Callable[[], datetime]
) -> AsyncIterator[Step]:
    """One question to the hub, and all that its answer tells."""
    before = now()
    try:
        answer = await hub.get("/v1/scope")
    except HubError as error:
        step = error.step if isinstance(error, NotReachedError) else "hub"
        for passed in ("proxy", "tls"):
            if passed == step or step in ("name", "tcp"):
                break
            yield _passed(passed, hub)
        yield Step("failed", step, error.said, error.advice)
        return
    after = now()
    yield _passed("proxy", hub)
    yield _passed("tls", hub)
    if answer.status not in (200, 204, 304, 401, 403):
        fault = refused(answer.status, hub.who)
        yield Step("failed", "hub", fault.said, fault.advice)
        return
    yield Step("ok", "hub", f"{hub.who} answers")
    yield _key(answer, hub, key)
    yield _clock(answer, before + (after - before) / 2)


def _passed(step: str, hub: Hub) -> Step:
    if step == "tls":
        return Step("ok", "tls", f"{hub.who} shows a certificate that is trusted here")
    return Step("ok", "proxy", f"{hub.proxy} lets it through" if hub.proxy else "none is set")


def _key(answer: Answer, hub: Hub, key: str | SettingError) -> Step:
    if isinstance(key, SettingError):
        return Step("failed", "key", str(key), "put the site's key there, and chmod 600")
    if answer.status in (401, 403):
        fault = refused(answer.status, hub.who)
        return Step("failed", "key", fault.said, fault.advice)
    return Step("ok", "key", "the hub knows this site's key")


def _clock(answer: Answer, at: datetime) -> Step:
    try:
        offset = parsedate_to_datetime(answer.headers.get("date", "")) - at
    except (ValueError, TypeError):
        return Step("skipped", "clock", "the hub did not say its time")
    seconds = abs(offset.total_seconds())
    side = "behind" if offset > timedelta(0) else "ahead of"
    said = f"{seconds:.0f} s {side} the hub's" if seconds >= 2 else "agrees with the hub's"
    if abs(offset) > _MOST_OFFSET:
        return Step("failed", "clock", said, "set this box's clock, or let NTP do it")
    return Step("ok", "clock", said)


async def _broker(url: str, connect_bus: Callable[[str], Bus]) -> Step:
    advice = "is it up? are user, password and virtual host in UPLOADER_BUS_URL right?"
    try:
        bus = connect_bus(url)
    except SettingError as error:
        return Step("failed", "broker", str(error), "correct it")
    try:
        async with asyncio.timeout(_STEP_S):
            await bus.start()
    except BusDownError as error:
        return Step("failed", "broker", str(error), advice)
    except TimeoutError:
        return Step("failed", "broker", bus.problem() or "no answer", advice)
    finally:
        await bus.stop()
    return Step("ok", "broker", "connected, and its queues are there")
