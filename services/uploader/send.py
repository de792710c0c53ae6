"""HTTPS to the hub, through a proxy where one is set; the only file that imports httpx.

TLS 1.2 or newer, always verified. Every failure is told with the step it came from.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import httpx
import truststore

from services.uploader.failures import HubError, NotAnsweredError, not_connected, refused_by_proxy
from services.uploader.settings import SettingError, fault_of_proxy

_CONNECT_S = 10.0
_SILENCE_S = 60.0
_WHOLE_S = 180.0  # one question with its answer, however slowly it trickles
_MAX_ANSWER = 2_000_000
_MAX_CA = 65_536
_AGAIN = "it is tried again later"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    certificate: bytes = b""  # DER of the one that was shown, and believed


class Hub:
    """Questions to one hub. `key` None asks without one."""

    def __init__(
        self, url: str, key: str | None, *, trust: ssl.SSLContext, proxy: str | None
    ) -> None:
        self.url = url
        self.host = urlsplit(url).hostname or ""
        self.port = urlsplit(url).port or 443
        self.who = f"{self.host}:{self.port}"
        self.proxy = proxy and without_password(proxy)
        self._as_user = bool(proxy and urlsplit(proxy).username)
        headers = {"User-Agent": "pagetally-uploader", "Accept-Encoding": "identity"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            verify=trust,
            proxy=_proxy(proxy, trust) if proxy else None,
            trust_env=False,
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            # below the 5 s after which servers close, so that no batch meets a closing connection
            limits=httpx.Limits(max_connections=2, keepalive_expiry=2.0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def post(self, path: str, body: bytes) -> Answer:
        """Raises: HubError."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return await self._ask("POST", path, gzip.compress(body, 5), headers)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises: HubError."""
        return await self._ask("GET", path, None, headers or {})

    async def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            async with (
                asyncio.timeout(_WHOLE_S),
                self._client.stream(
                    method, self.url + path, content=body, headers=dict(headers)
                ) as response,
            ):
                answer = Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    await _bounded(response, self.who),
                    _shown(response),
                )
        except httpx.ProxyError as error:
            raise refused_by_proxy(
                str(error), self.who, self.proxy or "", as_user=self._as_user
            ) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise not_connected(error, self.who, self.proxy) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise NotAnsweredError(f"{self.who}: did not answer in time", _AGAIN) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotAnsweredError(f"{self.who}: the connection broke", _AGAIN) from error
        return answer


async def _bounded(response: httpx.Response, who: str) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NotAnsweredError(
            f"{who}: the answer is compressed, which was not asked for", "is a proxy changing it?"
        )
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MAX_ANSWER:
            raise NotAnsweredError(
                f"{who}: the answer is longer than {_MAX_ANSWER} bytes", "is this a Pagetally hub?"
            )
    return bytes(body)


def _shown(response: httpx.Response) -> bytes:
    secured = response.extensions["network_stream"].get_extra_info("ssl_object")
    return (secured and secured.getpeercert(binary_form=True)) or b""


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to believe: the system's authorities, and those in a file. Raises: SettingError."""
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError:
            raise SettingError(f"{ca_file}: holds no certificate in PEM") from None
        except OSError as error:
            raise SettingError(f"{ca_file}: cannot be read: {error.strerror}") from None
    return context


def proxy_for(hub_url: str, proxy: str | None) -> str | None:
    """The proxy to use: the one that is set, else HTTPS_PROXY's where NO_PROXY doesn't except it.

    Raises: SettingError, for a variable that is no proxy's URL.
    """
    if proxy is not None:
        return proxy
    said = urllib.request.getproxies_environment()
    found = said.get("https") or said.get("all")
    if not found or _excepted(urlsplit(hub_url).hostname or "", said):
        return None
    found = found if "://" in found else f"http://{found}"
    fault = fault_of_proxy(found)
    if fault:
        raise SettingError(f"{'HTTPS' if said.get('https') else 'ALL'}_PROXY: {fault}")
    return found


def _excepted(host: str, said: dict[str, str]) -> bool:
    if urllib.request.proxy_bypass(host):
        return True
    with suppress(ValueError):
        address = ip_address(host)
        return any(address in each for each in _networks(said.get("no", "")))
    return False


def _networks(words: str) -> Iterator[IPv4Network | IPv6Network]:
    for word in words.split(","):
        with suppress(ValueError):  # one that is none leaves the others as they are
            if "/" in word:
                yield ip_network(word.strip())


def _proxy(url: str, trust: ssl.SSLContext) -> httpx.Proxy:
    return httpx.Proxy(url, ssl_context=trust if urlsplit(url).scheme == "https" else None)


def without_password(url: str) -> str:
    """HOST:PORT of a proxy, for people."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


async def fetch_ca(hub_url: str, fingerprint: str, *, proxy: str | None = None) -> bytes:
    """The hub's CA certificate as PEM, believed because its SHA-256 is the one that was pinned.

    The only connection that is not verified; it carries no secret. What is given back is that one
    certificate made anew, so nothing that came with it is trusted.

    Args:
        fingerprint: "sha256:HEX" of the certificate's DER, as the install line has it.

    Raises: HubError; SettingError, where the fingerprint is none.
    """
    wanted = fingerprint.strip().lower().removeprefix("sha256:").replace(":", "")
    if len(wanted) != 64 or not set(wanted) <= set("0123456789abcdef"):
        raise SettingError(
            f"{fingerprint[:100]!r} is no fingerprint; it reads sha256: and 64 digits"
        )
    if urlsplit(hub_url).scheme != "https":
        raise SettingError("the hub's URL must begin with https://")
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    async with Hub(hub_url.rstrip("/"), None, trust=blind, proxy=proxy_for(hub_url, proxy)) as hub:
        answer = await hub.get("/v1/ca.pem")
    try:
        if answer.status != 200 or len(answer.body) > _MAX_CA:
            raise ValueError
        der = ssl.PEM_cert_to_DER_cert(answer.body.decode("ascii").strip())
    except ValueError:
        raise NotAnsweredError(
            f"{hub.who}: gave no CA certificate (status {answer.status})",
            "is this a Pagetally hub?",
        ) from None
    came = hashlib.sha256(der).hexdigest()
    if came != wanted:
        raise HubError(
            f"{hub.who}: its CA has the fingerprint sha256:{came}, but sha256:{wanted} was pinned",
            "nothing was sent; take the install line from the hub again, or find out who answers",
        )
    return ssl.DER_cert_to_PEM_cert(der).encode()


def retry_after_s(answer: Answer, now_s: float) -> float | None:
    """What Retry-After asks for, in seconds from now (RFC 9110 section 10.2.3)."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit() and len(said) < 10:
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None
