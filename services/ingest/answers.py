"""The shapes of the API as OpenAPI tells them, and every refusal as {"error": "…"}."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.ingest.body import TooSlowError, WrongTypeError
from services.ingest.envelope import BatchError, TooLargeError
from services.ingest.keys import KeyRefusedError
from services.ingest.measures import Measures
from services.ingest.room import NoRoomError
from services.ingest.told import MAX_CARRIED, MAX_NUMBER, Why
from shared.log import log
from shared.store.postgres import StoreError

_Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]


class EventMessage(BaseModel):
    """One that is not what its type says is answered with "rejected", and costs no other.

    `stored_at` and `age_s` are ignored where they are of another type.
    """

    n: _Number
    type: Annotated[
        Any,
        Field(description="meter.read.v1, read.failed.v1, round.finished.v1 or segments.listed.v1"),
    ] = None
    body: Annotated[Any, Field(description="The message, as its type has it.")] = None
    stored_at: Annotated[
        datetime | Any, Field(description="When it was spooled, by the site's clock.")
    ] = None
    age_s: Annotated[
        float | Any, Field(description="How long ago that is, by a clock that nobody sets.")
    ] = None


class SpoolBegan(BaseModel):
    """That this spool is another than the one before; in each batch until one is answered.

    `carried`: numbers of the spool before whose messages wait in this one under new numbers, as
    [first, last]. Like `status`, it is ignored where it is not of this shape.
    """

    before: UUID | None
    why: Why
    carried: Annotated[list[tuple[_Number, _Number]], Field(max_length=MAX_CARRIED)] = []


class EventBatch(BaseModel):
    """What an uploader sends. `first_unsent`: the lowest number it has no answer for yet.

    A batch without messages says that the site lives, and asks for `last` and `renumber`.
    """

    spool: UUID
    first_unsent: _Number
    last: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    sent_at: datetime
    messages: list[EventMessage]
    began: SpoolBegan | Any = None
    status: Annotated[dict[str, Any] | Any, Field(description="How the site is; at most 4 kB.")] = (
        None
    )


class EventResult(BaseModel):
    n: int
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None


class EventAnswer(BaseModel):
    """Given after the commit: what is answered here the spool may forget."""

    results: list[EventResult]
    last: int  # the highest number that the hub knows of this spool
    received_at: datetime  # when it was committed, by the hub's clock
    renumber: Annotated[
        bool,
        Field(description="This spool's numbers were given twice: go on under another spool id."),
    ] = False


class Fault(BaseModel):
    error: str


_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
}


_REST_S = 5.0
_REST_BYTES = 8_388_608
_CODES = ((TooSlowError, 408), (TooLargeError, 413), (WrongTypeError, 415))


def _faults(told: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        code: {
            "model": Fault,
            "description": words,
            **({"headers": _RETRY_AFTER} if code in (429, 503) else {}),
        }
        for code, words in told.items()
    }


FAULTS = _faults(
    {
        401: "No key, an unknown one, or one that ended or was revoked",
        429: "Too much in this minute",
        503: "The database is away",
    }
)
BATCH_FAULTS = FAULTS | _faults(
    {
        400: "Not a batch; nothing of it was stored",
        408: "The body took too long",
        413: "Too many bytes or messages; send fewer at once",
        415: "Neither JSON nor gzipped JSON",
        503: "The database is away, or the hub has as much in work as it may",
    }
)


def add_faults(app: FastAPI, measures: Measures) -> None:
    """Every refusal as {"error": "…"}."""

    async def told(
        request: Request, code: int, text: str, headers: dict[str, str] | None = None
    ) -> JSONResponse:
        measures.refused.labels(str(code)).inc()
        await _read_rest(request)
        # more may be left of its body: the connection is of no more use
        close = {"Connection": "close"} if code in (401, 408, 413, 415, 429, 503) else {}
        return JSONResponse({"error": text}, code, {**(headers or {}), **close})

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return await told(request, error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(BatchError)
    async def not_a_batch(request: Request, error: BatchError) -> JSONResponse:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), 400)
        return await told(request, code, str(error))

    @app.exception_handler(KeyRefusedError)
    async def no_key(request: Request, error: KeyRefusedError) -> JSONResponse:
        return await told(request, 401, str(error), {"WWW-Authenticate": "Bearer"})

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> JSONResponse:
        return await told(request, 400, "the connection broke off")

    @app.exception_handler(NoRoomError)
    async def no_room(request: Request, _: NoRoomError) -> JSONResponse:
        return await told(
            request, 503, "the hub has as much in work as it may", {"Retry-After": "5"}
        )

    @app.exception_handler(StoreError)
    async def no_database(request: Request, error: StoreError) -> JSONResponse:
        log.error("database away", error=str(error))
        return await told(request, 503, "the hub's database does not answer", {"Retry-After": "10"})

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", exc_info=error)
        return await told(request, 500, "the hub failed; its log says how", {"Retry-After": "60"})


async def _read_rest(request: Request) -> None:
    """What is still to come of a body goes nowhere: who is cut off in sending hears no answer."""
    size = 0
    with suppress(RuntimeError, ClientDisconnect, TimeoutError):  # it was all read; or never ends
        async with asyncio.timeout(_REST_S):
            async for piece in request.stream():
                size += len(piece)
                if size > _REST_BYTES:
                    break
