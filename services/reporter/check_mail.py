"""Whether the mail server takes mails in, for `pagetally check`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from services.reporter.settings import ReporterSettings
from services.reporter.smtp import Smtp
from shared.check import Step

_ADVICE = "are the REPORTER_SMTP_… settings those of the mail server, and may this box reach it?"


async def mail_server(
    settings: ReporterSettings, to: str | None, now: datetime
) -> AsyncIterator[Step]:
    """One step. `to`: where a test mail goes; None: nothing is sent."""
    yield await asyncio.to_thread(_step, settings, to, now)


def _step(settings: ReporterSettings, to: str | None, now: datetime) -> Step:
    try:
        mailer = settings.mailer()
    except OSError as error:
        advice = "REPORTER_SMTP_PASSWORD_FILE must be readable here"
        return Step("failed", "mail", f"{error.filename}: {error.strerror}", advice)
    if isinstance(mailer, Smtp) and to is None:
        fault = mailer.problem()
        if fault:
            return Step("failed", "mail", fault, _ADVICE)
        return Step("ok", "mail", f"{mailer.told}; no test mail was sent (--mail-to ADDRESS)")
    if to is None:
        said = f"no mail server is set; mails are written into {settings.mail_folder}"
        return Step("ok", "mail", said)
    mail = _test_mail(settings.mail_from, to, now)
    outcome = mailer.send(mail, "check", to, lambda: None)
    if outcome.state == "sent":
        return Step("ok", "mail", f"a test mail was taken for {to}")
    if outcome.state == "filed":
        return Step("ok", "mail", outcome.reason or "filed")
    return Step("failed", "mail", outcome.reason or outcome.state, _ADVICE)


def _test_mail(mail_from: str, to: str, now: datetime) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = mail_from, to
    mail["Subject"] = "Pagetally: test mail"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain=mail_from.rpartition("@")[2])
    mail.set_content("This mail was sent by `pagetally check`. Reports come the same way.\n")
    return mail.as_bytes()
