"""The network page: a site's segments, which of them are searched, and what that would send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment

from services.console.choose import MAX_ROWS, chosen_in
from services.console.forms import FORM_HEADERS, FormError, Forms
from services.console.words import shown_at, zone_of
from shared.choosing import ChoiceError
from shared.log import log
from shared.messages import Preview
from shared.store.network import Network, Row, network_of
from shared.store.postgres import Store
from shared.store.scope import ScopeError, StaleScopeError, change_scope

_NAMED = 100  # of a list that is no table
_NOT_HERE = (
    "Choosing is offered where the console listens on loopback alone, as it has no login;"
    " pagetally admin site choose does the same."
)


def network_pages(
    pages: Environment, store: Store, now: Callable[[], datetime], *, may_choose: bool
) -> APIRouter:
    """GET /network?site=…, and POST /network/choose; StoreError is the app's to answer."""
    router = APIRouter()
    forms = Forms()

    async def page(
        request: Request, site: str, begin: int = 0, status: int = 200, faults: Iterable[str] = ()
    ) -> Response:
        async with store.transaction() as connection:
            network = await network_of(connection, site)
        if network is None:
            return _told(pages, 404, f"There is no site {site[:80]!r}.")
        cookie, token = forms.begin(request)
        shown = _shown(network, begin) | {
            "token": token,
            "may_choose": may_choose,
            "not_here": _NOT_HERE,
            "faults": list(faults),
            "made_at": now(),
        }
        body = pages.get_template("network.html").render(shown)
        response = HTMLResponse(body, status_code=status, headers=FORM_HEADERS)
        forms.keep(response, cookie)
        return response

    @router.get("/network", response_class=HTMLResponse)
    async def show(request: Request, site: str = "", begin: int = 0) -> Response:
        return await page(request, site, max(begin, 0))

    @router.post("/network/choose", response_class=HTMLResponse)
    async def choose(request: Request) -> Response:
        if not may_choose:
            return _told(pages, 403, _NOT_HERE)
        try:
            fields = await forms.fields(request)
        except FormError as error:
            log.warning("console form refused", status=error.status, reason=str(error))
            return _told(pages, error.status, f"{error} Nothing was saved; load the page again.")
        site = fields.get("site", "")
        begin = int(fields["begin"]) if re.fullmatch("[0-9]{1,6}", fields.get("begin", "")) else 0
        try:
            chosen = chosen_in(fields)
            async with store.transaction() as connection:
                network = await network_of(connection, site)
            if network is not None:
                _, scope = await change_scope(
                    store,
                    network.site["id"],
                    chosen.change,
                    author=chosen.author,
                    now=now(),
                    looked_at=chosen.looked_at,
                )
                log.info("scope set", site=site, version=scope.version, author=scope.author)
        except StaleScopeError as error:
            return await page(request, site, begin, 409, [str(error)])
        except (ChoiceError, ScopeError) as error:
            return await page(request, site, begin, 400, str(error).splitlines())
        where = urlencode({"site": site} | ({"begin": begin} if begin else {}))
        return RedirectResponse(f"/network?{where}", status_code=303)

    return router


def _told(pages: Environment, status: int, words: str) -> Response:
    body = pages.get_template("told.html").render(words=words)
    return HTMLResponse(body, status_code=status)


def _shown(network: Network, begin: int) -> dict[str, Any]:
    zone = zone_of(network.site["time_zone"])
    rows = network.rows[begin : begin + MAX_ROWS]
    return {
        "site": network.site,
        "scope": network.scope,
        "listed": network.listed,
        "is_taken": network.is_taken,
        "rows": rows,
        "total": len(network.rows),
        "begin": begin,
        "next": begin + MAX_ROWS if begin + MAX_ROWS < len(network.rows) else None,
        "chosen": _sum(row for row in network.rows if row.choice.chosen),
        "refused": network.refused[:_NAMED],
        "refused_rest": max(0, len(network.refused) - _NAMED),
        "named": _NAMED,
        "zone": zone.key,
        "at": partial(shown_at, zone=zone),
    }


def _sum(rows: Iterable[Row]) -> dict[str, Any]:
    """How many are chosen, what they would send together, and how many say nothing of it."""
    chosen = list(rows)
    previews = [row.segment.preview for row in chosen if row.segment and row.segment.preview]
    return {
        "count": len(chosen),
        "unsaid": len(chosen) - len(previews),
        "preview": Preview.model_construct(  # a sum may be larger than what one site may say
            addresses=sum(one.addresses for one in previews),
            datagrams=sum(one.datagrams for one in previews),
            bytes=sum(one.bytes for one in previews),
            seconds=sum(one.seconds for one in previews),
            credentials=list(dict.fromkeys(name for one in previews for name in one.credentials))[
                :50
            ],
        ),
    }
