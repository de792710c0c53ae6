"""A hub over real TLS that keeps what it commits and can be told to misbehave."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "pt_the-site-s-own-key"


class ScriptedHub:
    """`script` holds what to do with the next requests: a callable that answers by itself, or
    that returns False to have the request answered as always."""

    def __init__(self) -> None:
        self.script: list[Callable[[Request], bool]] = []
        self.committed: dict[str, bytes] = {}  # order and type -> body, as ingest keys them
        self.numbers: list[int] = []  # of every message that was committed, with repeats
        self.envelopes: list[dict[str, Any]] = []  # of each batch; `messages` is their number
        self.last: dict[str, int] = {}  # by spool
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.scope: tuple[str, bytes] | None = None
        self.ca_pem = b""
        self.date: str | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    hub: ScriptedHub

    def do_GET(self) -> None:
        if self._scripted():
            return
        if self.path == "/v1/ca.pem":
            self.reply(200, self.hub.ca_pem)
        elif not self._authorized():
            self.reply(401)
        elif self.path == "/v1/scope" and self.hub.scope:
            etag, body = self.hub.scope
            fresh = self.headers.get("If-None-Match") == etag
            self.reply(304 if fresh else 200, b"" if fresh else body, {"ETag": etag})
        else:
            self.reply(204 if self.path == "/v1/scope" else 404)

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._scripted():
            return
        if not self._authorized():
            self.reply(401)
        else:
            self.reply(200, json.dumps(self.commit()).encode())

    def commit(self) -> dict[str, Any]:
        raw = gzip.decompress(self.body)
        batch = json.loads(raw)
        self.hub.envelopes.append({**batch, "messages": len(batch["messages"])})
        last = max([batch["last"], self.hub.last.get(batch["spool"], 0)])
        self.hub.last[batch["spool"]] = last
        results = []
        for message in batch["messages"]:
            body = json.dumps(message["body"], separators=(",", ":"), ensure_ascii=False).encode()
            assert b'"body":' + body in raw
            key = f"{message['type']} {message['body']['order']}"
            known = self.hub.committed.setdefault(key, body) is not body
            self.hub.numbers.append(message["n"])
            results.append({"n": message["n"], "status": "duplicate" if known else "accepted"})
        received_at = datetime.now(UTC).isoformat()
        return {"results": results, "last": last, "received_at": received_at}

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.hub.date or self.date_time_string())
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _scripted(self) -> bool:
        self.hub.requests.append((self.command, self.path, dict(self.headers)))
        return bool(self.hub.script and self.hub.script.pop(0)(self))

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {KEY}"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """A test looks at `requests`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that refuse the certificate and connections that are reset are wanted here."""


@contextmanager
def served(
    certificate: Path, address: str = "127.0.0.1", newest: ssl.TLSVersion | None = None
) -> Iterator[ScriptedHub]:
    """A hub on a free port of `address`; `certificate` holds its key too."""
    hub = ScriptedHub()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = newest
            context.maximum_version = newest
    context.load_cert_chain(certificate)
    handler = type("HubRequest", (Request,), {"hub": hub})
    server = _Server((address, 0), handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
