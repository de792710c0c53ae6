"""A real SMTP server on loopback: TLS and AUTH required, faults to order, all it got kept."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default as modern
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

from tests.peers import free_port, missing

if TYPE_CHECKING:
    from email.message import EmailMessage

USER, PASSWORD = "reporter", "for-tests"


class Received(NamedTuple):
    recipient: str
    mail: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.mail, policy=modern)


class SmtpPeer:
    """What the server was given, and what it is to do wrong."""

    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, security: Literal["starttls", "tls"], port: int, ca_file: Path) -> None:
        self.security, self.port, self.ca_file = security, port, ca_file
        self.received: list[Received] = []  # answered with 250
        self.ended: Counter[str] = Counter()  # Message-ID -> how often its DATA came to its end
        self.refused: set[str] = set()  # mailboxes that get 550
        self.busy: Counter[str] = Counter()  # mailbox -> how often it gets 451 first
        self.dropped: Counter[str] = Counter()  # mailbox -> how often no answer comes after DATA
        self.held: Counter[str] = Counter()  # "RCPT" or "DATA" -> how many wait for `release`
        self.is_holding = threading.Event()
        self.release = threading.Event()

    def settings(self) -> dict[str, Any]:
        """What a reporter is set to, to use this server."""
        return {
            "smtp_host": self.host,
            "smtp_port": self.port,
            "smtp_security": self.security,
            "smtp_user": self.user,
            "smtp_password": self.password,
            "smtp_ca_file": self.ca_file,
            "mail_from": "meters@dealer.example",
        }

    # what aiosmtpd calls

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await self._hold("RCPT")
        if address in self.refused:
            return "550 5.1.1 no such mailbox here"
        if self.busy[address] > 0:
            self.busy[address] -= 1
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        [recipient] = envelope.rcpt_tos
        came = Received(recipient, envelope.content)
        self.ended[came.message["Message-ID"]] += 1
        if self.dropped[recipient] > 0:
            self.dropped[recipient] -= 1
            server.transport.abort()
            return "250 nobody reads this"
        self.received.append(came)
        await self._hold("DATA")
        return "250 OK"

    async def _hold(self, step: str) -> None:
        if self.held[step] > 0:
            self.held[step] -= 1
            self.is_holding.set()
            await asyncio.to_thread(self.release.wait, 30)

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        good = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        # not handled: else nobody answers the client
        return AuthResult(success=good, handled=False)


@contextmanager
def smtp_server(security: Literal["starttls", "tls"]) -> Iterator[SmtpPeer]:
    try:
        from aiosmtpd.controller import Controller

        from services.solo.ca import ensure_ca
    except ImportError:
        missing("aiosmtpd and cryptography (extra dev)")
    from shared.clock import utc_now

    with tempfile.TemporaryDirectory(prefix="pagetally-smtp-") as folder:
        files = ensure_ca(Path(folder), ["127.0.0.1", "localhost"], utc_now())
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(files.cert, files.key)
        peer = SmtpPeer(security, free_port(), files.ca_cert)
        tls = (
            {"ssl_context": trust}
            if security == "tls"
            else {"tls_context": trust, "require_starttls": True}
        )
        controller = Controller(
            peer,
            hostname=peer.host,
            port=peer.port,
            authenticator=peer.log_in,
            auth_required=True,
            auth_require_tls=security == "starttls",  # it knows no other TLS
            timeout=30,
            **tls,
        )
        controller.start()
        try:
            yield peer
        finally:
            peer.release.set()
            controller.stop()


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """STARTTLS and AUTH are required."""
    with smtp_server("starttls") as peer:
        yield peer


@pytest.fixture
def smtp_tls() -> Iterator[SmtpPeer]:
    """TLS from the first byte, and AUTH."""
    with smtp_server("tls") as peer:
        yield peer
