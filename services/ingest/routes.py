"""The hub's API for agents. What a batch is and what comes back: design of POST /v1/events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from services.ingest.accept import accept
from services.ingest.body import TooSlowError, read_body
from services.ingest.envelope import MAX_NUMBER, BatchError, TooLargeError, parse_batch
from services.ingest.limits import Rates
from services.ingest.measures import Measures
from services.ingest.settings import IngestSettings
from services.ingest.sites import Site, newest_scope, site_of_key
from shared.log import log
from shared.messages import Scope
from shared.store.postgres import Store, StoreError

_Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]


class EventMessage(BaseModel):
    n: _Number
    type: Literal["meter.read.v1", "read.failed.v1", "round.finished.v1", "segments.listed.v1"]
    body: dict[str, Any]


class EventBatch(BaseModel):
    """What an uploader sends. `first_unsent`: the lowest number it has no answer for yet."""

    spool: UUID
    first_unsent: _Number
    last: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    sent_at: datetime
    messages: list[EventMessage]


class EventResult(BaseModel):
    n: int
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None


class EventAnswer(BaseModel):
    """Given after the commit: what is answered here the spool may forget."""

    results: list[EventResult]
    last: int  # the highest number that the hub knows of this spool


class Fault(BaseModel):
    error: str


_FAULTS: dict[int | str, dict[str, Any]] = {
    400: {"model": Fault, "description": "Not a batch; nothing of it was stored"},
    401: {"model": Fault, "description": "No key, an unknown one, or a revoked one"},
    408: {"model": Fault, "description": "The body took too long"},
    413: {"model": Fault, "description": "Too many bytes or messages; send fewer at once"},
    429: {"model": Fault, "description": "Too much in this minute; see Retry-After"},
    503: {"model": Fault, "description": "The database is away; see Retry-After"},
}
_BATCH_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON, or the same with Content-Encoding: gzip",
        "content": {"application/json": {"schema": EventBatch.model_json_schema()}},
    }
}


def create_app(settings: IngestSettings, store: Store) -> FastAPI:
    app = FastAPI(
        title="Pagetally hub",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    measures = Measures()
    rates = Rates(settings.requests_a_minute, settings.kib_a_minute)

    async def site_of(request: Request) -> Site:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        site = await site_of_key(store, key.strip()) if scheme.lower() == "bearer" else None
        if site is None:
            raise HTTPException(
                401,
                "unknown or revoked site key; Authorization: Bearer pt_… is wanted",
                {"WWW-Authenticate": "Bearer"},
            )
        wait_s = rates.begin(site.id)
        if wait_s is not None:
            raise HTTPException(
                429,
                f"site {site.name} sent too much in this minute; again in {wait_s} s",
                {"Retry-After": str(wait_s)},
            )
        return site

    caller = Depends(site_of)

    @app.post("/v1/events", responses=_FAULTS, openapi_extra=_BATCH_BODY)
    async def events(request: Request, site: Annotated[Site, caller]) -> EventAnswer:
        """Store each message once, and say what became of it."""
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
            results, last = await accept(store, site, parse_batch(body, settings.max_messages))
        counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
        for result in results:
            counts[result.status] += 1
        for status, count in counts.items():
            measures.messages.labels(status).inc(count)
        log.info("batch taken", site=site.name, bytes=size, **counts)
        return EventAnswer(
            results=[EventResult(n=it.n, status=it.status, reason=it.reason) for it in results],
            last=last,
        )

    @app.get(
        "/v1/scope",
        response_model=Scope,
        responses={304: {"description": "Unchanged"}, 404: {"model": Fault}, **_FAULTS},
    )
    async def scope(request: Request, site: Annotated[Site, caller]) -> Response:
        """The whole of what the site shall search and read; its ETag is the version."""
        newest = await newest_scope(store, site)
        if newest is None:
            raise HTTPException(404, f"no scope has been set for site {site.name}")
        version, body = newest
        tag = f'"{version}"'
        known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
        if tag in known:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(body, media_type="application/json", headers={"ETag": tag})

    _add_public(app, settings, store, measures)
    _add_faults(app, measures)
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
        return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)


def _add_faults(app: FastAPI, measures: Measures) -> None:
    """Every refusal as {"error": "…"}."""

    def told(code: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
        measures.refused.labels(str(code)).inc()
        # what is left of a body is not read: the connection is of no more use
        close = {"Connection": "close"} if code in (401, 408, 413, 429) else {}
        return JSONResponse({"error": text}, code, {**(headers or {}), **close})

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return told(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(BatchError)
    async def not_a_batch(_: Request, error: BatchError) -> JSONResponse:
        code = 413 if isinstance(error, TooLargeError) else 400
        return told(408 if isinstance(error, TooSlowError) else code, str(error))

    @app.exception_handler(StoreError)
    async def no_database(_: Request, error: StoreError) -> JSONResponse:
        log.error("database away", error=str(error))
        return told(503, "the hub's database does not answer", {"Retry-After": "10"})

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> JSONResponse:
        log.error("request failed", exc_info=error)
        return told(500, "the hub failed; its log says how", {"Retry-After": "60"})
