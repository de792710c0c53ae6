"""What a form must show before it changes anything: it comes from a page of this console.

The console has no login: whoever reaches it may choose. What must not reach it is another site's
page in the same browser, so Host, Origin and a token that only our own page holds are checked.
"""

from __future__ import annotations

import hmac
import re
import secrets
from urllib.parse import parse_qsl

from fastapi import Request, Response

_COOKIE = "pagetally_form"
_COOKIE_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
_URLENCODED = "application/x-www-form-urlencoded"
_MAX_BYTES = 1_000_000
_MAX_FIELDS = 4_000
FORM_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says "Origin: null"
}


class FormError(Exception):
    """A form that is not taken; `status` is the answer's, the text says why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Forms:
    """The tokens are of this process: a form from before it was started anew is refused."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def begin(self, request: Request) -> tuple[str, str]:
        """The browser's cookie, a new one where it has none, and the token that goes with it."""
        cookie = request.cookies.get(_COOKIE, "")
        if not _COOKIE_FORM.fullmatch(cookie):
            cookie = secrets.token_urlsafe(32)
        return cookie, self._token(cookie)

    def keep(self, response: Response, cookie: str) -> None:
        response.set_cookie(_COOKIE, cookie, path="/network", httponly=True, samesite="strict")

    async def fields(self, request: Request) -> dict[str, str]:
        """The fields of a form that this console made. Raises: FormError."""
        _check_origin(request)
        fields = _parsed(await _body(request))
        token = fields.pop("token", "").encode()
        cookie = request.cookies.get(_COOKIE, "")
        if not cookie or not hmac.compare_digest(token, self._token(cookie).encode()):
            raise FormError(403, "This form is from before the console was started anew.")
        return fields

    def _token(self, cookie: str) -> str:
        return hmac.new(self._secret, cookie.encode(), "sha256").hexdigest()


def _check_origin(request: Request) -> None:
    """Raises: FormError. The Host itself was checked before, against the console's names."""
    host = request.headers.get("host", "")
    is_ours = request.headers.get("origin") in (f"http://{host}", f"https://{host}")
    if not is_ours or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise FormError(403, "This form is not from a page of this console.")


async def _body(request: Request) -> bytes:
    """Raises: FormError."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != _URLENCODED:
        raise FormError(415, f"A form comes as {_URLENCODED}.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BYTES:
            raise FormError(413, f"A form has at most {_MAX_BYTES} bytes.")
    return bytes(body)


def _parsed(body: bytes) -> dict[str, str]:
    """Raises: FormError."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise FormError(400, "This form cannot be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\0" in value for value in fields.values()):
        raise FormError(400, "This form cannot be read.")
    return fields
