"""The way between a site and its hub, as bad as it is told to be: TLS ends here and begins anew."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.peers import free_port

FAULTS = (
    "drop",  # nothing is answered, and nothing went on
    "stall",  # half of the body goes on, then nothing for a while, and the connection breaks
    "stall in the answer",  # the hub committed; half of what it said comes
    "500",
    "429",
    "502",  # with a page for people
    "reset",  # the hub committed; the connection is reset in place of its answer
)
_PASSED = ("pass",) * 14
_WORDS = {"500": "Internal Server Error", "429": "Too Many Requests", "502": "Bad Gateway"}
_PAGE = b"<!DOCTYPE html><title>502</title><h1>Bad Gateway</h1><p>The origin is away.</p>"
_SILENCE_S = 60.0


class CutWay:
    """A relay on loopback, in a thread of its own, while the block runs.

    Each batch meets what the next card of a deck says, which is shuffled by `seed` and holds every
    fault once, and twice as many cards on which it only passes. Whatever goes on to the hub goes
    there twice, one after the other or both at once; what has no messages always passes.

    Args:
        certificate: with its `key`, for the name localhost; `ca` signed it and the hub's.
    """

    def __init__(
        self, hub_port: int, *, certificate: Path, key: Path, ca: Path, seed: int, stall_s: float
    ) -> None:
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.made: Counter[str] = Counter()  # what became of batches
        self.is_cut = threading.Event()  # while set, every connection ends at once
        self._hub_port = hub_port
        self._stall_s = stall_s
        self._cards = _cards(random.Random(seed))
        self._site_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._site_side.load_cert_chain(certificate, key)
        self._hub_side = ssl.create_default_context(cafile=ca)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(
            self._take, "127.0.0.1", self.port, ssl=self._site_side, backlog=100
        )
        asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Nothing passes, and what was on its way breaks off."""
        self.is_cut.set()
        self._loop.call_soon_threadsafe(self._break_off)

    def mend(self) -> None:
        self.is_cut.clear()

    def _break_off(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _end(self) -> None:
        self.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if not self.is_cut.is_set():
                async with asyncio.timeout(_SILENCE_S):
                    await self._relay(reader, writer)
        except (OSError, EOFError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
            self.made["broken off"] += 1
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _request(reader)
        card = next(self._cards) if _has_messages(request) else "pass"
        answer = b""
        if card in ("pass", "reset", "stall in the answer"):
            answer = await self._twice(request)
        if _has_messages(request):
            self.made[card] += 1
        if card == "stall":
            await self._half(request)
        elif card == "stall in the answer":
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            await asyncio.sleep(self._stall_s)
        elif card == "reset":
            _reset(writer)
        elif card != "drop":
            writer.write(answer or _refusal(card))
            await writer.drain()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _twice(self, request: bytes) -> bytes:
        """What the hub says; of a batch, what it says the second time."""
        if not _has_messages(request):
            return await self._ask_hub(request)
        if self.made.total() % 2:
            return (await asyncio.gather(*[self._ask_hub(request) for _ in range(2)]))[1]
        await self._ask_hub(request)
        return await self._ask_hub(request)

    async def _ask_hub(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(
            "localhost", self._hub_port, ssl=self._hub_side
        )
        self._open.add(writer)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read()  # Connection: close was asked for
        finally:
            self._open.discard(writer)
            writer.close()

    async def _half(self, request: bytes) -> None:
        _, writer = await asyncio.open_connection("localhost", self._hub_port, ssl=self._hub_side)
        writer.write(request[: len(request) - len(request) // 3])
        with suppress(OSError):
            await writer.drain()
            await asyncio.sleep(self._stall_s)
        writer.transport.abort()


def _cards(dice: random.Random) -> Iterator[str]:
    while True:
        deck = [*FAULTS, *_PASSED]
        dice.shuffle(deck)
        yield from deck


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Head and body as they are to go on, each on a connection of its own."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[:-2]
    kept = [line for line in lines if not line.lower().startswith("connection:")]
    sizes = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
    body = await reader.readexactly(int(sizes[0])) if sizes else b""
    return "\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body


def _has_messages(request: bytes) -> bool:
    head, _, body = request.partition(b"\r\n\r\n")
    return head.startswith(b"POST /v1/events") and b'"messages":[{' in gzip.decompress(body)


def _refusal(status: str) -> bytes:
    kind, body = ("text/html", _PAGE) if status == "502" else ("text/plain", b"no")
    more = "Retry-After: 1\r\n" if status == "429" else ""
    head = (
        f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: {kind}\r\n{more}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST in place of an answer."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
