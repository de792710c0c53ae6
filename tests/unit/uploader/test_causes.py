from __future__ import annotations

import asyncio

import pytest

from services.uploader.causes import explained
from services.uploader.failures import refused_by_proxy
from services.uploader.look import Seen, look
from services.uploader.send import trust
from tests.unit.uploader.messages import NOW


@pytest.mark.parametrize("offered", ["NTLM, ", "NTLM,\t,", ", NTLM"])
def test_a_proxy_that_offers_nothing_between_two_commas_is_told(offered: str) -> None:
    refused = refused_by_proxy("407 no", "hub:443", "proxy:3128", as_user=True)

    said, _ = explained(refused, Seen(proxy_said={"proxy-authenticate": offered}), [], NOW)

    assert said.endswith("; it offers NTLM, and not Basic")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 x y", b"\xff 2\xff 3"])
async def test_a_proxy_that_answers_no_status_is_looked_at_and_nothing_is_seen(
    head: bytes,
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await look("https://hub.example", proxy, trust(None)) == Seen()
