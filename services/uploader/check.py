"""Every step from here to the hub, tried one after the other, each with what to do if it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from services.uploader.causes import explained, opened_on_the_way
from services.uploader.failures import HubError, NotReachedError, refused
from services.uploader.look import look
from services.uploader.room import forecast
from services.uploader.send import Answer, Hub, proxy_for, trust
from services.uploader.settings import SettingError, UploaderSettings, read_key
from shared.bus.check import broker
from shared.bus.port import Bus
from shared.certificate import certificates_in, read_certificate
from shared.check import Step

_STEP_S = 15.0
_LEAST_FREE = 100_000_000
_MOST_OFFSET = timedelta(minutes=5)  # from there on the hub shows the clock as wrong
_TO_THE_HUB = ("name", "tcp", "proxy", "tls", "hub", "key", "clock")


async def check(
    settings: UploaderSettings,
    *,
    now: Callable[[], datetime],
    connect_bus: Callable[[UploaderSettings], Bus],
) -> AsyncIterator[Step]:
    """Each step as it ends. Of the way to the hub what follows a failure is skipped."""
    yield _spool(settings.spool_file)
    yield _disk(settings.spool_file, now())
    stopped_at = None
    async for step in _way_to_hub(settings, now):
        yield step
        if step.outcome == "failed" and step.name not in ("key", "clock"):
            stopped_at = step.name
    if stopped_at:
        for name in _TO_THE_HUB[_TO_THE_HUB.index(stopped_at) + 1 :]:
            yield Step("skipped", name, f"not tried, because {stopped_at} failed")
    if settings.bus_url is not None:
        async for step in broker(partial(connect_bus, settings), "UPLOADER_BUS_URL", SettingError):
            yield step


def _spool(path: Path) -> Step:
    folder = path.parent
    while not os.path.exists(folder):  # noqa: PTH110  (False too where one may not look)
        folder = folder.parent
    shut = folder if not os.access(folder, os.W_OK) else path
    if os.path.exists(shut) and not os.access(shut, os.W_OK):  # noqa: PTH110
        return Step("failed", "spool", f"{shut} cannot be written", "give it to this user")
    return Step("ok", "spool", f"{path} can be written")


def _disk(path: Path, now: datetime) -> Step:
    try:
        found = forecast(path, now)
    except OSError as error:
        return Step("skipped", "disk", f"{path}: {error.strerror}")
    if found.is_short or found.free < _LEAST_FREE:
        advice = "make room: what cannot be kept here stays in the broker, or unread"
        return Step("failed", "disk", found.told(), advice)
    return Step("ok", "disk", found.told())


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
    why = partial(_why, settings=settings, proxy=proxy, believed=believed, now=now)
    async with hub:
        async for step in _asked(hub, key, now, why):
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
    hub: Hub,
    key: str | SettingError,
    now: Callable[[], datetime],
    why: Callable[[HubError], Awaitable[tuple[str, str]]],
) -> AsyncIterator[Step]:
    """One question to the hub, and all that its answer, or its failure, tells."""
    before = now()
    try:
        answer = await hub.get("/v1/scope")
    except HubError as error:
        step = error.step if isinstance(error, NotReachedError) else "hub"
        if step in ("tls", "hub"):
            yield _through(hub)
        if step == "hub":
            yield Step("ok", "tls", f"{hub.who} shows a certificate that is trusted here")
        yield Step("failed", step, *await why(error))
        return
    middle = before + (now() - before) / 2
    opened = opened_on_the_way(answer.headers, hub.proxy)
    if opened and answer.status >= 400:
        yield Step("failed", "proxy", *opened)
        return
    yield _through(hub)
    yield _certificate(answer, hub)
    if answer.status not in (200, 204, 304, 401, 403):
        fault = refused(answer.status, hub.who)
        yield Step("failed", "hub", fault.said, fault.advice)
        return
    yield Step("ok", "hub", f"{hub.who} answers")
    yield _key(answer, hub, key)
    yield _clock(answer, middle)


async def _why(
    error: HubError,
    *,
    settings: UploaderSettings,
    proxy: str | None,
    believed: ssl.SSLContext,
    now: Callable[[], datetime],
) -> tuple[str, str]:
    """(what happened, what to try), after a look at what stands in the way."""
    if not isinstance(error, NotReachedError):
        return error.said, error.advice
    seen = await look(settings.hub_url, proxy, believed)
    try:
        in_file = certificates_in(settings.ca_file) if settings.ca_file else []
    except (OSError, ValueError):
        in_file = []
    return explained(error, seen, [each.subject for each in in_file], now())


def _through(hub: Hub) -> Step:
    return Step("ok", "proxy", f"{hub.proxy} lets it through" if hub.proxy else "none is set")


def _certificate(answer: Answer, hub: Hub) -> Step:
    said = f"{hub.who} shows a certificate that is trusted here"
    try:
        shown = read_certificate(answer.certificate)
    except ValueError:
        return Step("ok", "tls", said)
    return Step("ok", "tls", f"{said}: by {shown.issuer!r}, until {shown.not_after:%Y-%m-%d}")


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
