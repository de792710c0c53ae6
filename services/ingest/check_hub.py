"""Whether the hub's own certificate does, for `pagetally check`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from services.ingest.settings import IngestSettings
from shared.certificate import certificates_in
from shared.check import Step

_SOON = timedelta(days=14)


async def certificate(settings: IngestSettings, now: datetime) -> AsyncIterator[Step]:
    """One step."""
    yield _step(settings, now)


def _step(settings: IngestSettings, now: datetime) -> Step:
    file = settings.tls_cert
    if file is None:
        said = "none is set, so ingest speaks plain HTTP"
        return Step("skipped", "certificate", f"{said}; what ends TLS before it has its own")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, settings.tls_key)
        [own, *_] = certificates_in(file)
    except (OSError, ValueError) as error:
        told = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return Step(
            "failed",
            "certificate",
            f"{file}: {str(told)[:200]}",
            "it must be PEM, and INGEST_TLS_KEY its key",
        )
    names = ", ".join(own.names[:8]) or "no name"
    until = f"until {own.not_after:%Y-%m-%d}"
    said = f"{file}: for {names}, by {own.issuer!r}, {until}"
    if own.not_after <= now:
        return Step("failed", "certificate", f"{said}: it has expired", "renew it")
    if own.not_before > now:
        return Step("failed", "certificate", f"{said}: not valid yet", "is the clock right?")
    if not own.names:
        return Step("failed", "certificate", said, "make one with the hub's name in it")
    if own.not_after - now < _SOON:
        days = (own.not_after - now).days
        return Step("failed", "certificate", f"{said}: {days} days are left", "renew it now")
    return Step("ok", "certificate", f"{said}, {(own.not_after - now).days} days")
