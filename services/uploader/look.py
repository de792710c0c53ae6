"""What stands between here and the hub, looked at after the way failed, so that it can be told.

A certificate that is looked at is not believed, and nothing is sent to whoever showed it; a proxy
gets the user and password that are set for it.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shared.certificate import Certificate, read_certificate

_LOOK_S = 10.0
_MAX_HEAD = 65_536


class Seen(NamedTuple):
    """What could be seen; the proxy's answer only where it did not let us through."""

    certificate: Certificate | None = None
    proxy_said: Mapping[str, str] = {}  # names in lower case; of a repeated one all, with commas


async def look(hub_url: str, proxy: str | None, believed: ssl.SSLContext) -> Seen:
    """Args: believed: by which the certificate of a proxy that is https:// is checked."""
    hub = urlsplit(hub_url)
    to = f"{_bracketed(hub.hostname or '')}:{hub.port or 443}"
    with suppress(OSError, ValueError, EOFError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_LOOK_S):
            reader, writer = await _open(proxy or hub_url, believed if proxy else None)
            try:
                if proxy:
                    writer.write(_connect(to, proxy))
                    status, headers = await _head(reader)
                    if status // 100 != 2:
                        return Seen(proxy_said=headers)
                return Seen(await _shown(writer, hub.hostname or ""))
            finally:
                writer.close()
    return Seen()


async def _open(
    url: str, believed: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    secured = parts.scheme == "https"
    return await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secured else 80),
        ssl=believed if secured else None,
        limit=_MAX_HEAD,
    )


def _connect(to: str, proxy: str) -> bytes:
    parts = urlsplit(proxy)
    lines = [f"CONNECT {to} HTTP/1.1", f"Host: {to}"]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _head(reader: asyncio.StreamReader) -> tuple[int, Mapping[str, str]]:
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text.split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            known = headers.get(name.lower())
            headers[name.lower()] = f"{known}, {value.strip()}" if known else value.strip()
    return int(first.partition(" ")[2].partition(" ")[0]), headers


async def _shown(writer: asyncio.StreamWriter, host: str) -> Certificate | None:
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    await writer.start_tls(blind, server_hostname=host)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return read_certificate(shown) if shown else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
