"""The console's pages, without a line of script; the first shows what there is of a customer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from services.console.missing import missing
from services.console.network import network_pages
from services.console.settings import ConsoleSettings
from services.console.words import (
    device_status,
    event,
    plain,
    reading,
    sent,
    shown_at,
    shown_target,
    size,
    zone_of,
)
from shared.clock import clock_off, utc_now
from shared.log import log
from shared.store import deliveries, overview, reports
from shared.store.events import device_events
from shared.store.postgres import Connection, Store, StoreError
from shared.store.scope import ScopeError
from shared.store.watch import late

_HERE = Path(__file__).parent
_CUSTOMERS, _SITES, _DEVICES, _ROUNDS, _NAMES, _REPORTS, _HELD = 500, 50, 200, 10, 20, 20, 20
_EVENTS = 20
_RECENT = timedelta(days=8)
_HELD_FOR = timedelta(days=31)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(
    settings: ConsoleSettings, store: Store, now: Callable[[], datetime] = utc_now
) -> FastAPI:
    app = FastAPI(title="Pagetally", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_names)
    app.add_middleware(BaseHTTPMiddleware, dispatch=_with_headers)
    pages = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    said = {"reading": reading, "target": shown_target, "size": size, "sent": sent, "plain": plain}
    pages.filters |= said | {"event": event, "clock_off": clock_off}
    app.include_router(network_pages(pages, store, now, may_choose=settings.on_loopback))

    @app.exception_handler(StoreError)
    async def away(_: Request, error: Exception) -> HTMLResponse:
        log.error("console cannot read the database", error=str(error))
        return HTMLResponse(pages.get_template("away.html").render(), status_code=503)

    @app.exception_handler(ScopeError)
    async def unreadable(_: Request, error: Exception) -> HTMLResponse:
        log.error("console cannot use a scope", error=str(error))
        return HTMLResponse(pages.get_template("told.html").render(words=error), status_code=500)

    @app.get("/", response_class=HTMLResponse)
    async def page(customer: int | None = None) -> HTMLResponse:
        asked_at = now()
        async with store.transaction() as connection:
            await reports.one_snapshot(connection)
            shown = await _overview(connection, customer, asked_at)
        found = customer is None or shown["customer"] is not None
        body = pages.get_template("overview.html").render(shown)
        return HTMLResponse(body, status_code=200 if found else 404)

    return app


async def _with_headers(request: Request, answer: RequestResponseEndpoint) -> Response:
    response = await answer(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _overview(
    connection: Connection, customer_id: int | None, now: datetime
) -> dict[str, Any]:
    """What the page shows: of one customer, or of the first."""
    customers = await overview.customers(connection, _CUSTOMERS)
    if customer_id is None:
        customer = customers.rows[0] if customers.rows else None
    else:
        customer = await overview.customer(connection, customer_id)
    shown: dict[str, Any] = {
        "customers": customers,
        "customer": customer,
        "late": await late(connection, now),
    }
    if customer is None:
        return shown
    wanted: int = customer["id"]
    zone = zone_of(customer["time_zone"])
    devices = await overview.devices(connection, wanted, now - _RECENT, _DEVICES)
    rounds = await overview.rounds(connection, wanted, _ROUNDS)
    return shown | {
        "at": partial(shown_at, zone=zone),
        "zone": zone.key,
        "made_at": now,
        "sites": await overview.sites(connection, wanted, _SITES),
        "devices": devices,
        "statuses": [device_status(row, now) for row in devices.rows],
        "held": await reports.held_reads(connection, wanted, now - _HELD_FOR, now, _HELD + 1),
        "held_shown": _HELD,
        "missing": await missing(connection, wanted, now),
        "events": await device_events(connection, wanted, now - _HELD_FOR, _EVENTS),
        "rounds": rounds,
        "names": [await overview.missing_names(connection, row, _NAMES) for row in rounds.rows],
        "reports": await deliveries.list_reports(connection, customer_id=wanted, limit=_REPORTS),
    }
