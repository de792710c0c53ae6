"""The hub's API for agents. What a batch is and what comes back: design of POST /v1/events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.ingest.accept import accept
from services.ingest.answers import FAULTS, EventAnswer, EventBatch, EventResult, Fault, add_faults
from services.ingest.body import read_body
from services.ingest.envelope import TooLargeError, parse_batch
from services.ingest.limits import Rates
from services.ingest.measures import Measures
from services.ingest.settings import IngestSettings
from services.ingest.sites import Site, site_of_key
from shared.clock import utc_now
from shared.log import log
from shared.scope import Scope
from shared.store.postgres import Store
from shared.store.scope import newest_scope

_BATCH_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON, or the same with Content-Encoding: gzip",
        "content": {"application/json": {"schema": EventBatch.model_json_schema()}},
    }
}


class _Caller:
    """Who asks: the site of the key, if it has not asked too much."""

    def __init__(self, store: Store, rates: Rates) -> None:
        self._store, self._rates = store, rates

    async def __call__(self, request: Request) -> Site:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        site = await site_of_key(self._store, key.strip()) if scheme.lower() == "bearer" else None
        if site is None:
            raise HTTPException(
                401,
                "unknown or revoked site key; Authorization: Bearer pt_… is wanted",
                {"WWW-Authenticate": "Bearer"},
            )
        wait_s = self._rates.begin(site.id)
        if wait_s is not None:
            raise HTTPException(
                429,
                f"site {site.name} sent too much in this minute; again in {wait_s} s",
                {"Retry-After": str(wait_s)},
            )
        return site


def create_app(
    settings: IngestSettings, store: Store, now: Callable[[], datetime] = utc_now
) -> FastAPI:
    app = FastAPI(
        title="Pagetally hub",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    measures = Measures()
    rates = Rates(settings.requests_a_minute, settings.kib_a_minute)
    caller = Depends(_Caller(store, rates))

    @app.post("/v1/events", responses=FAULTS, openapi_extra=_BATCH_BODY)
    async def events(request: Request, site: Site = caller) -> EventAnswer:
        """Store each message once, and say what became of it."""
        arrived_at = now()
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:18]) > settings.max_body_bytes:
            raise TooLargeError(f"{length[:18]} bytes; at most {settings.max_body_bytes}")
        body, size = await read_body(
            request.stream(),
            request.headers.get("content-encoding", "").strip().lower(),
            max_body_bytes=settings.max_body_bytes,
            max_json_bytes=settings.max_json_bytes,
            max_body_s=settings.max_body_s,
        )
        rates.received(site.id, size)
        measures.received.inc(size)
        with measures.seconds.time():
            batch = await asyncio.to_thread(parse_batch, body, settings.max_messages, arrived_at)
            taken = await accept(store, site, batch)
        counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
        for result in taken.results:
            counts[result.status] += 1
        for status, count in counts.items():
            measures.messages.labels(status).inc(count)
        tell = log.info if taken.results else log.debug  # a site that only says that it lives
        tell("batch taken", site=site.name, bytes=size, **counts)
        return EventAnswer(
            results=[
                EventResult(n=it.n, status=it.status, reason=it.reason) for it in taken.results
            ],
            last=taken.last,
            received_at=taken.received_at,
            renumber=taken.renumber,
        )

    @app.get(
        "/v1/scope",
        response_model=Scope,
        responses={
            204: {"description": "No scope has been set"},
            304: {"description": "Unchanged"},
            **FAULTS,
        },
    )
    async def scope(request: Request, site: Site = caller) -> Response:
        """The whole of what the site shall search and read; its ETag is the version."""
        async with store.transaction() as connection:
            newest = await newest_scope(connection, site.id)
        if newest is None:
            return Response(status_code=204)
        version, body = newest
        tag = f'"{version}"'
        known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
        if tag in known:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(body, media_type="application/json", headers={"ETag": tag})

    _add_public(app, settings, store, measures)
    add_faults(app, measures)
    return app


def _add_public(app: FastAPI, settings: IngestSettings, store: Store, measures: Measures) -> None:
    @app.get("/v1/ca.pem", response_class=PlainTextResponse, responses={404: {"model": Fault}})
    async def ca() -> Response:
        """The certificate of this hub's CA; a new site compares its fingerprint."""
        if settings.ca_file is None or not settings.ca_file.exists():
            raise HTTPException(404, "this hub has no CA of its own; trust the system's")
        return Response(settings.ca_file.read_bytes(), media_type="application/x-pem-file")

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse, responses={503: {}})
    async def readyz() -> Response:
        """503 with what is missing, where something is."""
        problem = await store.problem()
        if problem is None:
            return PlainTextResponse("ok\n")
        log.warning("not ready", problem=problem)  # its words name hosts, and anybody may ask here
        return PlainTextResponse("the database does not answer\n", 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)
