"""The site's scope: fetched from the hub, handed to discovery over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.uploader.failures import NotAnsweredError, refused
from services.uploader.send import Hub, retry_after_s
from services.uploader.spool import Spool
from shared.clock import utc_now
from shared.decode import MessageError, decode
from shared.message import Message
from shared.scope import Scope

_LONGEST_ETAG = 256


async def fetch_scope(
    hub: Hub, spool: Spool, publish: Callable[[Message], Awaitable[None]], *, anew: bool = False
) -> Scope | None:
    """Publish the scope if the hub has one that was not handed on yet; which, or None.

    Its version is remembered once it is published, so that a scope that could not be handed on is
    fetched again. `anew` hands on also the one that was: discovery may have lost its roster since.

    Raises: HubError; BusDownError; CannotStoreError.
    """
    there = f"{hub.url} "  # another hub's versions say nothing of this one's
    known = await asyncio.to_thread(spool.scope_etag) or ""
    is_known = known.startswith(there) and not anew
    headers = {"If-None-Match": known.removeprefix(there)} if is_known else {}
    answer = await hub.get("/v1/scope", headers)
    if answer.status in (304, 204):
        return None
    if answer.status != 200:
        raise refused(answer.status, hub.who, retry_after_s(answer, utc_now().timestamp()))
    try:
        scope = decode(Scope.routing_key, answer.body)
    except MessageError as error:
        raise NotAnsweredError(
            f"{hub.who}: sent no scope that can be read ({error})", "is this box's version older?"
        ) from None
    assert isinstance(scope, Scope)
    await publish(scope)
    etag = answer.headers.get("etag", "")
    fits = 0 < len(etag) <= _LONGEST_ETAG and etag.isascii() and etag.isprintable()
    await asyncio.to_thread(spool.keep_scope_etag, there + etag if fits else None)
    return scope
