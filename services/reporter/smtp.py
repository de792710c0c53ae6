"""Handing a mail over: to a mail server, or, where none is set, into a folder, saying so."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from services.reporter.mail import is_address
from services.reporter.report import printable
from shared.files import write_private

# nothing that a server does may hold a mailbox for longer
_LONGEST_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """What became of one mailbox' mail.

    sent: the server answered 250. filed: written into the folder. refused: no use to try again.
    waiting: not handed over, to be tried again. sending: all of it went out and no answer came,
    so that the mailbox may have it.
    """

    state: Literal["sent", "filed", "refused", "waiting", "sending"]
    reason: str | None = None


class Mailer(Protocol):
    def send(self, mail: bytes, name: str, recipient: str, at_end: Callable[[], None]) -> Outcome:
        """Hand one mail over to one mailbox; in a thread of its own.

        Args:
            name: what a file of this mail is called, without its ending.
            at_end: called when the server has all of it but the mark that makes it his; where
                it raises, the mail is not handed over.
        """

    def cut(self) -> None:
        """End what is being sent now, from another thread."""


class Folder:
    """Writes each mail as NAME.eml."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: bytes, name: str, recipient: str, at_end: Callable[[], None]) -> Outcome:
        path = self._folder / f"{name}.eml"
        try:
            write_whole(path, mail)
        except OSError as error:
            return Outcome("waiting", f"cannot write {path}: {error.strerror}")
        return Outcome("filed", f"no mail server is set (REPORTER_SMTP_HOST); written to {path}")

    def cut(self) -> None:
        """Writing a file ends by itself."""


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    mail_from: str
    user: str = ""
    password: str = ""
    ca_file: Path | None = None
    timeout_s: float = 20.0

    def __repr__(self) -> str:  # the password stays out of logs
        return f"Server({self.host}:{self.port})"


class Smtp:
    """Sends each mail in a session of its own, so that one mailbox never blocks another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session: smtplib.SMTP | None = None

    def send(self, mail: bytes, name: str, recipient: str, at_end: Callable[[], None]) -> Outcome:
        if not is_address(recipient):
            return Outcome("refused", f"{printable(recipient, 80)!r} is no mail address")
        guard = threading.Timer(_LONGEST_S, self.cut)
        guard.daemon = True
        guard.start()
        ended = answered = False
        try:
            session = self._open()
            steps: tuple[tuple[int, Callable[[], tuple[int, bytes]]], ...] = (
                (250, lambda: session.mail(self._server.mail_from, self._size(session, mail))),
                (250, lambda: session.rcpt(recipient)),
                (354, lambda: session.docmd("DATA")),
            )
            for expected, step in steps:
                code, words = step()
                if code not in (expected, 251):  # 251: it will be forwarded
                    answered = True
                    return self._answered(code, words)
            session.send(_dots_doubled(mail))
            at_end()
            ended = True
            session.send(b".\r\n")
            code, words = session.getreply()
            answered = 200 <= code < 600
            if not answered:
                return Outcome("sending", f"{self._where} answered what is no SMTP")
            return Outcome("sent") if code < 300 else self._answered(code, words)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return Outcome("sending" if ended else "waiting", self._failed(error, ended=ended))
        finally:
            guard.cancel()
            self._close(politely=answered)

    def problem(self) -> str | None:
        """What keeps a mail from being handed over, up to the login; None where nothing does."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return self._failed(error, ended=False)
        finally:
            self._close(politely=True)
        return None

    @property
    def told(self) -> str:
        """How the server is reached, in words."""
        security = {"starttls": "STARTTLS", "tls": "TLS", "none": "no TLS"}[self._server.security]
        login = f", as {self._server.user}" if self._server.user else ""
        return f"{self._where} by {security}{login}"

    def cut(self) -> None:
        session = self._session
        if session is not None and session.sock is not None:
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already

    def _open(self) -> smtplib.SMTP:
        """A session up to MAIL: TLS as set, never less, and logged in where a user is set."""
        server = self._server
        here = socket.gethostname()
        here = here if "." in here else "[127.0.0.1]"
        session: smtplib.SMTP
        if server.security == "tls":
            session = smtplib.SMTP_SSL(
                server.host, server.port, here, timeout=server.timeout_s, context=self._trust()
            )
        else:
            session = smtplib.SMTP(server.host, server.port, here, timeout=server.timeout_s)
        self._session = session
        session.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            session.starttls(context=self._trust())
            session.ehlo_or_helo_if_needed()
        if server.user:
            session.login(server.user, server.password)
        return session

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._server.ca_file is not None:
            context.load_verify_locations(self._server.ca_file)
        return context

    @staticmethod
    def _size(session: smtplib.SMTP, mail: bytes) -> list[str]:
        return [f"size={len(mail)}"] if session.has_extn("size") else []

    def _answered(self, code: int, words: bytes) -> Outcome:
        said = f"{self._where} said {code} {printable(words.decode(errors='replace'), 300)}"
        return Outcome("refused" if code >= 500 else "waiting", said)

    def _failed(self, error: Exception, *, ended: bool) -> str:
        said = _in_words(error)
        if ended:
            return f"{self._where}: no answer after the whole mail was sent ({said})"
        return f"{self._where}: {said}"

    @property
    def _where(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    def _close(self, *, politely: bool) -> None:
        """End the session; without QUIT where the server may take that for a line of the mail."""
        session, self._session = self._session, None
        if session is not None:
            try:
                if politely:
                    session.quit()
            except (OSError, smtplib.SMTPException):
                pass  # what it answered stands
            finally:
                session.close()


def _in_words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the login was refused ({error.smtp_code}); check user and password"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{str(error).rstrip('.')}; what is set must be offered"
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        said = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
        return f"said {error.smtp_code} {printable(said, 300)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); set REPORTER_SMTP_CA_FILE"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return printable(str(error) or type(error).__name__, 300)


def _dots_doubled(mail: bytes) -> bytes:
    """RFC 5321 section 4.5.2. The mail ends with CRLF."""
    return re.sub(rb"(?m)^\.", b"..", mail)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, content)
