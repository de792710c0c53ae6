"""Why the hub could not be reached, by step and with what to try; no proxy password in any."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Literal, TypeVar

Step = Literal["name", "tcp", "proxy", "tls"]
E = TypeVar("E", bound=BaseException)


class HubError(Exception):
    """No answer from the hub that can be used."""

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(f"{said}; {advice}")
        self.said = said
        self.advice = advice


class NotReachedError(HubError):
    """Nothing left for the hub: its name, the way there, the proxy or TLS failed."""

    def __init__(self, step: Step, said: str, advice: str) -> None:
        super().__init__(said, advice)
        self.step = step


class CertificateError(NotReachedError):
    """Whoever answered showed a certificate that is not believed."""

    def __init__(self, verify_code: int, said: str, advice: str) -> None:
        super().__init__("tls", said, advice)
        self.verify_code = verify_code  # OpenSSL's X509_V_ERR_…
        self.by_unknown_authority = verify_code not in _CERTIFICATE


class NotAnsweredError(HubError):
    """The hub was reached; whether it took what was sent is not known."""


class RefusedError(HubError):
    """The hub answered, with a status other than was wanted."""

    def __init__(self, status: int, said: str, advice: str, retry_after_s: float | None) -> None:
        super().__init__(said, advice)
        self.status = status
        self.retry_after_s = retry_after_s


# OpenSSL's X509_V_ERR_…; what each means to an operator
EXPIRED = 10
FOR_ANOTHER = (62, 64)
_CERTIFICATE = {
    9: ("is not valid yet", "is this box's clock right?"),
    EXPIRED: ("has expired", "renew it at the hub, or is this box's clock wrong?"),
    18: (
        "is signed by itself and by nobody that is trusted here",
        "set UPLOADER_CA_FILE to the hub's CA",
    ),
    47: ("has a name that its CA may not sign for", "make a new CA at the hub"),
    62: ("is for another name", "UPLOADER_HUB_URL must name the hub as its certificate does"),
    64: ("is not for this address", "UPLOADER_HUB_URL must name the hub as its certificate does"),
}
_UNKNOWN_CA = (
    "is signed by an authority that is not trusted here",
    "set UPLOADER_CA_FILE to the hub's CA, or to that of the proxy that opens TLS here",
)
_STATUS = {
    401: ("the site key is not accepted", "make a new key at the hub, and put it in the key file"),
    403: ("the site key may not do this", "make a new key at the hub, and put it in the key file"),
    404: ("there is no Pagetally hub at this address", "check UPLOADER_HUB_URL"),
    413: ("the batch is too large", "does a proxy limit requests to less than 1 MB?"),
    429: ("asked too often", "it is tried again later"),
    503: ("the hub cannot take reads now", "it is tried again later"),
}


def not_connected(error: Exception, hub: str, proxy: str | None) -> NotReachedError:
    """Why there is no connection, by what the error was caused by; both names are HOST:PORT."""
    tls = _first(error, ssl.SSLError)
    if tls:
        return _tls(tls, hub)
    if _first(error, socket.gaierror):
        return NotReachedError(
            "name",
            f"{(proxy or hub).rpartition(':')[0]}: this name is not known here",
            "check the name, and this box's DNS",
        )
    said = "refuses connections" if _first(error, ConnectionRefusedError) else "does not connect"
    if proxy:
        return NotReachedError(
            "proxy", f"the proxy {proxy} {said}", "is it up, and its port right?"
        )
    return NotReachedError(
        "tcp", f"{hub}: {said}", "is the hub up? does a firewall let it through?"
    )


def refused(
    status: int, hub: str, retry_after_s: float | None = None, reason: str | None = None
) -> RefusedError:
    """A status that is no answer to what was asked; `reason` is the hub's, where it gave one."""
    if status // 100 == 3:
        said, advice = "sends elsewhere, which is not followed", "check UPLOADER_HUB_URL"
    elif status in _STATUS:
        said, advice = _STATUS[status]
    else:
        said, advice = "an error", "it is tried again later; the hub's log says more"
    told = f"{hub}: {said} (status {status})" + (f": {reason}" if reason else "")
    return RefusedError(status, told, advice, retry_after_s)


def refused_by_proxy(answer: str, hub: str, proxy: str, *, as_user: bool) -> NotReachedError:
    """What a proxy's answer to CONNECT, "407 Reason", means; `as_user`: a user was sent."""
    code = answer[:3]
    if code in ("401", "407"):  # tinyproxy 1.11 answers 401 to a wrong password
        said = f"the proxy {proxy} wants proxy authentication (status {code})"
        if as_user:
            said += ", and does not take the user and password that are set"
        advice = "set USER:PASSWORD in UPLOADER_PROXY or HTTPS_PROXY, percent-encoded"
    elif code.startswith("4"):
        said = f"the proxy {proxy} does not allow CONNECT to {hub} (status {code})"
        advice = "allow it there; many proxies allow port 443 alone, which the hub can have too"
    else:
        said = f"the proxy {proxy} does not connect to {hub} (status {code})"
        advice = "does the proxy know the hub's name, and may it go out to that port?"
    return NotReachedError("proxy", said, advice)


def _tls(error: ssl.SSLError, hub: str) -> NotReachedError:
    if isinstance(error, ssl.SSLCertVerificationError):
        what, advice = _CERTIFICATE.get(error.verify_code, _UNKNOWN_CA)
        return CertificateError(error.verify_code, f"{hub}: its certificate {what}", advice)
    reason = error.reason or "the connection was closed"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return NotReachedError("tls", f"{hub}: does not speak TLS there", "is the port right?")
    if "PROTOCOL" in reason:
        return NotReachedError("tls", f"{hub}: has no TLS 1.2 or newer", "update the hub or proxy")
    return NotReachedError(
        "tls", f"{hub}: TLS failed ({reason.lower().replace('_', ' ')})", "is a proxy in between?"
    )


def _first(error: BaseException, kind: type[E]) -> E | None:
    return next((each for each in _chain(error) if isinstance(each, kind)), None)


def _chain(error: BaseException, depth: int = 12) -> Iterator[BaseException]:
    """An error and all that led to it, through the groups of parallel connection attempts."""
    yield error
    if depth == 0:
        return
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _chain(each, depth - 1)
    before = error.__cause__ or error.__context__
    if before is not None:
        yield from _chain(before, depth - 1)
