"""What printers and print servers say of themselves, by IPP over HTTP or TLS.

A connection is made to the address that the ceiling allowed, never to the name once more. Nothing
is redirected, no proxy is asked, no cookie is kept, and no answer is unpacked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from shared.ceiling import Ceiling, OutsideCeilingError
from shared.ipp.errors import (
    IppDeniedError,
    IppNoAnswerError,
    IppTrustError,
    IppUnreadableError,
    NotIppError,
)
from shared.ipp.wire import (
    CUPS_GET_PRINTERS,
    GET_PRINTER_ATTRIBUTES,
    Answer,
    Attributes,
    MalformedIppError,
    Question,
    Version,
    answer_of,
)
from shared.ipp_uri import IppUri
from shared.text import clean, decoded

MAX_ANSWER_BYTES = 1_048_576  # a server that lists MAX_QUEUES says about 700 of each
MAX_QUEUES = 1_000
_VERSIONS: tuple[Version, ...] = ((2, 0), (1, 1))
_MOST_ADDRESSES = 4  # of a name
_DENIALS = (0x0401, 0x0402, 0x0403)
_BAD_REQUEST, _NOT_FOUND, _VERSION_NOT_SUPPORTED = 0x0400, 0x0406, 0x0503  # RFC 8011 B.1
_STATUSES = {
    0x0400: "bad request",
    0x0401: "forbidden",
    0x0402: "asks for a user and a password",
    0x0403: "not authorized",
    0x0406: "no printer at this path",
    0x0500: "internal error",
    0x0501: "operation not supported",
    0x0502: "service unavailable",
    0x0503: "version not supported",
    0x0506: "not accepting jobs",
    0x0507: "busy",
}
_UPGRADE_REQUIRED = 426


class _NotHereError(IppUnreadableError):
    """IPP is answered, and no printer is at this path; it may be at another."""


class _NoIppHereError(NotIppError):
    """No IPP is at this path; it may be at another."""


class IppAnswer(NamedTuple):
    address: str  # that was connected to
    attributes: Attributes


Resolve = Callable[[str], Awaitable[Sequence[str]]]


async def resolve(host: str) -> Sequence[str]:
    """The addresses of a name, in the system's order. Raises: OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class IppClient:
    """One question to one printer a call, each on a connection of its own."""

    def __init__(
        self,
        ceiling: Ceiling,
        *,
        read_s: float,
        ca_file: Path | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Args: ca_file: PEM of the authorities that printers' certificates are checked against;
        None: they are not checked.

        Raises: IppTrustError.
        """
        self._resolve = resolve
        self._ceiling = ceiling.of_ipp
        self._read_s = read_s
        self._transport = httpx.AsyncHTTPTransport(
            verify=_trust(ca_file),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def ask(self, uri: IppUri, wanted: Sequence[str]) -> IppAnswer:
        """What the printer says of itself; without its path, it is looked for.

        Raises: OutsideCeilingError, before anything is sent; IppNoAnswerError; IppUnreadableError.
        """
        question = Question(GET_PRINTER_ATTRIBUTES, wanted)
        address, answer = await self._asked(uri, question, _paths(uri.path))
        if not answer.printers or not answer.printers[0]:
            raise NotIppError(f"{uri}: it answers IPP and names no printer")
        return IppAnswer(address, answer.printers[0])

    async def queues(self, uri: IppUri, wanted: Sequence[str]) -> Sequence[Attributes]:
        """What the CUPS server at `uri` says of each of its queues, of MAX_QUEUES at most.

        Raises: as `ask`.
        """
        question = Question(CUPS_GET_PRINTERS, wanted, limit=MAX_QUEUES)
        try:
            _, answer = await self._asked(uri, question, (uri.path or "/",))
        except _NotHereError:  # so says CUPS where it has none
            return []
        return answer.printers[:MAX_QUEUES]

    async def _asked(
        self, uri: IppUri, question: Question, paths: Sequence[str]
    ) -> tuple[str, Answer]:
        """An answer and the address that gave it, within the time that a read may take."""
        asking = _Asking(self._transport, self._ceiling, uri, question)
        try:
            async with asyncio.timeout(self._read_s):
                return await asking.ask(await self._addresses(uri), paths)
        except TimeoutError:
            if asking.heard:
                raise IppUnreadableError(
                    f"{uri}: broke off: not all of its answer came in {self._read_s:g} s"
                ) from None
            raise IppNoAnswerError(f"{uri}: no IPP answer in {self._read_s:g} s") from None

    async def _addresses(self, uri: IppUri) -> Sequence[str]:
        """Those that the ceiling allows. Raises: OutsideCeilingError, IppNoAnswerError."""
        try:
            addresses = await self._resolve(uri.host)
        except (OSError, UnicodeError):
            raise IppNoAnswerError(f"{uri}: the name cannot be resolved at this site") from None
        allowed = [one for one in addresses if not self._ceiling.refusal(one, uri.port)]
        if not allowed:
            raise OutsideCeilingError(self._ceiling.refusal(addresses[0], uri.port))
        return allowed[:_MOST_ADDRESSES]


class _Asking:
    """One question to one printer or server."""

    def __init__(
        self,
        transport: httpx.AsyncHTTPTransport,
        ceiling: Ceiling,
        uri: IppUri,
        question: Question,
    ) -> None:
        self._transport = transport
        self._ceiling = ceiling
        self._uri = uri
        self._question = question
        self.heard = False  # whether an HTTP answer began

    async def ask(self, addresses: Sequence[str], paths: Sequence[str]) -> tuple[str, Answer]:
        """The answer of the first path where somebody answers IPP."""
        refusals: list[IppUnreadableError] = []
        for path in paths:
            try:
                return await self._ask_any(addresses, self._uri._replace(path=path))
            except (_NotHereError, _NoIppHereError) as error:
                refusals.append(error)
        raise refusals[0]

    async def _ask_any(self, addresses: Sequence[str], uri: IppUri) -> tuple[str, Answer]:
        """The answer of the first address that takes the connection."""
        refused = ""
        for address in addresses:
            try:
                return address, await self._ask_in_versions(address, uri)
            except httpx.ConnectError as error:
                if _is_of_tls(error):
                    raise IppUnreadableError(f"{uri}: no TLS with it: {error}"[:500]) from error
                refused = str(error)
            except ssl.SSLError as error:  # after the handshake; httpx lets it through
                raise IppUnreadableError(f"{uri}: no TLS with it: {error}"[:500]) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                fault = f"{uri}: broke off: {error or type(error).__name__}"[:500]
                kind = IppUnreadableError if self.heard else IppNoAnswerError
                raise kind(fault) from error
        tried = ", ".join(addresses)
        raise IppNoAnswerError(f"{uri}: cannot be connected to at {tried}: {refused}"[:500])

    async def _ask_in_versions(self, address: str, uri: IppUri) -> Answer:
        """The answer in the newest version that the printer speaks.

        Raises: IppUnreadableError, httpx.HTTPError.
        """
        for version in _VERSIONS:
            answer = await self._post(address, uri, version)
            if answer.status not in (_BAD_REQUEST, _VERSION_NOT_SUPPORTED):
                break
        if answer.status <= 0xFF:
            return answer
        words = _STATUSES.get(answer.status, f"status 0x{answer.status:04x}")
        said = decoded(answer.message) if answer.message else None
        fault = f"{uri}: it answers IPP: {words}" + (f' ("{said}")' if said else "")
        raise _error_of(answer.status)(fault)

    async def _post(self, address: str, uri: IppUri, version: Version) -> Answer:
        response = await self._sent(address, uri, self._question.octets(str(uri), version))
        try:
            self.heard = True
            _check(response, uri)
            return answer_of(await _body(response, uri))
        except MalformedIppError as error:
            raise IppUnreadableError(f"{uri}: broke off: {error}") from error
        finally:
            await response.aclose()

    async def _sent(self, address: str, uri: IppUri, content: bytes) -> httpx.Response:
        self._ceiling.check(address, uri.port)
        request = httpx.Request(
            "POST",
            httpx.URL(
                scheme="https" if uri.is_tls else "http",
                host=address,
                port=uri.port,
                raw_path=uri.path.encode(),
            ),
            headers={
                "Host": uri.authority,
                "Content-Type": "application/ipp",
                "Accept": "application/ipp",
                "Accept-Encoding": "identity",
            },
            content=content,
            extensions={"timeout": {}, "sni_hostname": uri.host},
        )
        return await self._transport.handle_async_request(request)


def _error_of(status: int) -> type[IppUnreadableError]:
    if status == _NOT_FOUND:
        return _NotHereError
    return IppDeniedError if status in _DENIALS else IppUnreadableError


def _paths(typed: str) -> Sequence[str]:
    """Where the printer may be; older ones are not at /ipp/print."""
    if typed in ("", "/"):
        return ("/ipp/print", "/ipp", "/ipp/printer", "/")
    if typed.endswith("/print"):
        return (typed, typed.removesuffix("/print") or "/")
    return (typed,)


def _check(response: httpx.Response, uri: IppUri) -> None:
    """Raises: IppUnreadableError."""
    status = response.status_code
    kind = clean(response.headers.get("Content-Type", "").partition(";")[0].lower())
    if status == 200 and kind == "application/ipp":
        return
    fault = f"{uri}: it answers HTTP {status}"
    if status == _UPGRADE_REQUIRED:
        raise IppUnreadableError(f"{fault}: it wants TLS; write ipps:// instead")
    if status in (401, 403):
        raise IppDeniedError(f"{fault}: it shows what it is only to users that it knows")
    if status in (404, 405):
        raise _NoIppHereError(f"{fault}: no IPP printer is at this path")
    if 300 <= status < 400:
        to = clean(response.headers.get("Location", "")) or "nowhere"
        raise IppUnreadableError(f"{fault}: it sends on to {to}, and is not followed; try that")
    raise NotIppError(f"{fault} with {kind or 'no type'}, which is no IPP")


async def _body(response: httpx.Response, uri: IppUri) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise IppUnreadableError(f"{uri}: its answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise IppTrustError(f"{ca_file} cannot be used: {error}") from None
    return context
