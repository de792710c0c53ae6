"""The hub's API for agents. What a batch is and what comes back: design of POST /v1/events."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.ingest.accept import accept
from services.ingest.answers import (
    BATCH_FAULTS,
    FAULTS,
    EventAnswer,
    EventBatch,
    Fault,
    add_faults,
)
from services.ingest.envelope import parse_batch, usual_batch
from services.ingest.intake import Intake
from services.ingest.keys import Caller, Callers, KeyRefusedError, caller_of, digest_of, key_in
from services.ingest.limits import Guesses, Rates
from services.ingest.measures import Measures
from services.ingest.settings import IngestSettings
from shared.clock import utc_now
from shared.log import log
from shared.scope import Scope
from shared.store.postgres import Store
from shared.store.scope import newest_scope

_SCHEMA = "#/components/schemas/{model}"
_BATCH_BODY = {
    "requestBody": {
        "required": True,
        "description": "JSON, or the same with Content-Encoding: gzip",
        "content": {"application/json": {"schema": {"$ref": _SCHEMA.format(model="EventBatch")}}},
    }
}
_KEY = HTTPBearer(auto_error=False, bearerFormat="pt_…", description="A site's key.")


class _Asking:
    """Who asks: a site by its key, if it has not asked too much."""

    def __init__(
        self, caller: Callable[[bytes], Awaitable[Caller]], rates: Rates, guesses: Guesses
    ) -> None:
        self._caller, self._rates, self._guesses = caller, rates, guesses

    async def __call__(self, request: Request, _: Annotated[object, Depends(_KEY)]) -> Caller:
        """Raises: KeyRefusedError, HTTPException, StoreError."""
        digest = digest_of(key_in(request.headers.get("authorization", "")))
        address = request.client.host if request.client else ""
        wait_s = self._guesses.begin(address, digest)
        if wait_s is not None:
            raise _too_much(f"too many unknown keys came from {address}", wait_s)
        try:
            caller = await self._caller(digest)
        except KeyRefusedError:
            self._guesses.wrong(address, digest)
            raise
        self._guesses.right(digest)
        wait_s = self._rates.begin(caller.key_id)
        if wait_s is not None:
            raise _too_much(f"site {caller.site.name} sent too much in this minute", wait_s)
        return caller


def _too_much(what: str, wait_s: int) -> HTTPException:
    return HTTPException(429, f"{what}; again in {wait_s} s", {"Retry-After": str(wait_s)})


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
    rates = Rates(settings.requests_a_minute, settings.kib_a_minute, settings.messages_a_minute)
    guesses = Guesses(settings.unknown_keys_a_minute)
    callers = Callers(store)
    asked = Depends(_Asking(partial(caller_of, store), rates, guesses))
    sending = Depends(_Asking(callers.caller, rates, guesses))
    intake = Intake(settings)

    async def arrival() -> datetime:
        return now()

    arrived = Depends(arrival)  # the first parameter: nothing may be waited for before it

    @app.post(
        "/v1/events",
        response_model=EventAnswer,
        responses=BATCH_FAULTS,
        openapi_extra=_BATCH_BODY,
    )
    async def events(
        request: Request, arrived_at: datetime = arrived, caller: Caller = sending
    ) -> Response:
        """Store each message once, and say what became of it."""
        async with intake.json_of(caller.site.id, request) as (body, size):
            rates.received(caller.key_id, size)
            measures.received.inc(size)
            with measures.seconds.time():
                told = body, settings.max_messages, arrived_at
                batch = usual_batch(*told)
                if batch is None:
                    batch = await to_thread(parse_batch, *told)
                del body, told  # its messages are in `batch`
                rates.carried(caller.key_id, len(batch.lines))
                try:
                    taken = await accept(store, caller, batch)
                except KeyRefusedError:
                    await callers.look_again(caller)
                    raise
        counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
        for result in taken.results:
            counts[result.status] += 1
        for status, count in counts.items():
            measures.messages.labels(status).inc(count)
        tell = log.info if taken.results else log.debug  # a site that only says that it lives
        tell("batch taken", site=caller.site.name, bytes=size, **counts)
        return Response(msgspec.json.encode(taken), media_type="application/json")

    @app.get(
        "/v1/scope",
        response_model=Scope,
        responses={
            204: {"description": "No scope has been set"},
            304: {"description": "Unchanged"},
            **FAULTS,
        },
    )
    async def scope(request: Request, caller: Caller = asked) -> Response:
        """The whole of what the site shall search and read; its ETag is the version."""
        async with store.transaction() as connection:
            newest = await newest_scope(connection, caller.site.id)
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
    batch = EventBatch.model_json_schema(ref_template=_SCHEMA)
    app.openapi()["components"]["schemas"].update(batch.pop("$defs"), EventBatch=batch)
    return app


class _Pem(PlainTextResponse):
    media_type = "application/x-pem-file"


def _add_public(app: FastAPI, settings: IngestSettings, store: Store, measures: Measures) -> None:
    @app.get("/v1/ca.pem", response_class=_Pem, responses={404: {"model": Fault}})
    async def ca() -> Response:
        """The certificate of this hub's CA; a new site compares its fingerprint."""
        if settings.ca_file is None or not settings.ca_file.exists():
            raise HTTPException(404, "this hub has no CA of its own; trust the system's")
        return _Pem(settings.ca_file.read_bytes())

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        return "ok\n"

    not_ready = {"description": "What is missing", "content": {"text/plain": {}}}

    @app.get("/readyz", response_class=PlainTextResponse, responses={503: not_ready})
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
