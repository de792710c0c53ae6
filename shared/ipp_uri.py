"""ipp:// and ipps:// URIs as people type them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

IPP_PORT = 631  # of ipps as well, RFC 7472
_LONGEST = 255
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_ALONE = "an IPP printer is written ipp://HOST[:PORT]/PATH, or ipps:// with TLS"


class IppUriError(ValueError):
    """What is typed is no URI of an IPP printer; the text says what is wrong."""


class IppUri(NamedTuple):
    """`host` is an address or a name, in lower case; `path` may be empty."""

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def is_address(self) -> bool:
        """Whether `host` needs no resolving."""
        return ":" in self.host or self.host.replace(".", "").isdecimal()

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == IPP_PORT else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'ipps' if self.is_tls else 'ipp'}://{self.authority}{self.path}"


def is_ipp_uri(text: str) -> bool:
    return text.strip().lower().startswith(("ipp:", "ipps:"))


def ipp_uri_of(text: str) -> IppUri:
    """Raises: IppUriError."""
    typed = text.strip()
    if len(typed) > _LONGEST:
        raise IppUriError(f"{len(typed)} characters; a URI has at most {_LONGEST} here")
    try:
        parts = urlsplit(typed)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise IppUriError(_ALONE) from None
    if parts.scheme not in ("ipp", "ipps") or not host or port == 0:
        raise IppUriError(_ALONE)
    if parts.username is not None or parts.password is not None:
        raise IppUriError("users and passwords are not sent to printers; write it without them")
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise IppUriError(f"its path cannot be asked for; {_ALONE}")
    return IppUri(parts.scheme == "ipps", _host(host), port or IPP_PORT, parts.path)


def ipp_uris(entries: Iterable[str]) -> list[IppUri]:
    """Those among what was typed; a URI with a fault is left out."""
    found = []
    for entry in filter(is_ipp_uri, entries):
        with suppress(IppUriError):
            found.append(ipp_uri_of(entry))
    return found


def _host(host: str) -> str:
    if "%" in host:
        raise IppUriError("an address with a zone cannot be asked")
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    if ":" in host or host.replace(".", "").isdecimal() or not _NAME.fullmatch(host):
        raise IppUriError(f"{host!r} is neither an address nor a name")
    return host
