"""Words for what was seen on the way to the hub after it failed: whose certificate, which proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.uploader.failures import EXPIRED, FOR_ANOTHER, CertificateError, NotReachedError
from services.uploader.look import Seen
from shared.certificate import Certificate

# what squid says of itself in X-Squid-Error
_SQUID = {
    "ERR_DNS_FAIL": "it does not know that name",
    "ERR_CONNECT_FAIL": "it cannot connect there",
    "ERR_CANNOT_FORWARD": "it found no way there",
    "ERR_ACCESS_DENIED": "its rules forbid it",
    "ERR_READ_TIMEOUT": "no answer came in time",
    "ERR_SECURE_CONNECT_FAIL": "it opens TLS, and does not believe the hub's certificate",
}


def explained(
    error: NotReachedError, seen: Seen, authorities: Sequence[str], now: datetime
) -> tuple[str, str]:
    """(what happened, what to try).

    Args:
        authorities: subjects of those in UPLOADER_CA_FILE; none where it is not set.
    """
    if isinstance(error, CertificateError) and seen.certificate:
        return _of_certificate(error, seen.certificate, authorities, now)
    if seen.proxy_said:
        return _of_proxy(error, seen.proxy_said)
    return error.said, error.advice


def opened_on_the_way(headers: Mapping[str, str], proxy: str | None) -> tuple[str, str] | None:
    """What a squid that opens TLS answered in the hub's place; None where it was the hub."""
    squid = _squid_s(headers)
    if squid is None:
        return None
    who = f"the proxy {proxy}" if proxy else "a proxy in between"
    return (
        f"{who} opens TLS here, and did not get through to the hub: {squid}",
        "add the hub's CA to those that the proxy believes, or let it pass the hub unopened",
    )


def _squid_s(headers: Mapping[str, str]) -> str | None:
    code = headers.get("x-squid-error", "").partition(" ")[0]
    return _SQUID.get(code, f"it says {code[:60]}") if code else None


def _of_proxy(error: NotReachedError, headers: Mapping[str, str]) -> tuple[str, str]:
    offered = [
        each.split()[0] for each in headers.get("proxy-authenticate", "").split(",") if each.strip()
    ]
    if offered and "basic" not in (scheme.lower() for scheme in offered):
        return (
            f"{error.said}; it offers {', '.join(offered)[:100]}, and not Basic",
            "such a proxy is reached through a local one, see docs/proxies.md",
        )
    squid = _squid_s(headers) if "authentication" not in error.said else None
    return (f"{error.said}: {squid}" if squid else error.said), error.advice


def _of_certificate(
    error: CertificateError, shown: Certificate, authorities: Sequence[str], now: datetime
) -> tuple[str, str]:
    if error.verify_code in FOR_ANOTHER:
        return f"{error.said}: it is for {', '.join(shown.names[:8]) or 'none'}", error.advice
    if error.verify_code == EXPIRED and shown.not_after < now:
        return f"{error.said}, on {shown.not_after:%Y-%m-%d}", error.advice
    if error.verify_code == EXPIRED:
        return f"{error.said}: that of {shown.issuer!r}, which signed it", error.advice
    if not error.by_unknown_authority:
        return error.said, error.advice
    said = f"{error.said}: {shown.issuer!r}"
    if not authorities:
        return said, (
            "if that is the hub's own CA, or that of a proxy that opens TLS here,"
            " set UPLOADER_CA_FILE to it"
        )
    known = ", ".join(repr(each) for each in authorities[:4])
    if shown.issuer in authorities:
        return (
            f"{said}; UPLOADER_CA_FILE holds another authority of that name",
            "take the hub's CA from the hub again",
        )
    return f"{said}; UPLOADER_CA_FILE holds {known}", (
        f"{shown.issuer!r} may be a proxy or firewall that opens TLS on the way: then add its CA"
        " to the file; or the hub has another CA: take it from there"
    )
