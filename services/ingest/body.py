"""Reading a request's body in pieces, so that none is ever held beyond the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.ingest.envelope import BatchError, Inflater, TooLargeError


class TooSlowError(BatchError):
    """The body did not arrive in time."""


async def read_body(
    pieces: AsyncIterator[bytes],
    encoding: str,
    *,
    max_body_bytes: int,
    max_json_bytes: int,
    max_body_s: float,
) -> tuple[bytes, int]:
    """(the JSON, how many bytes came); `encoding` is the Content-Encoding, "gzip" or "".

    Raises: BatchError, TooLargeError, TooSlowError.
    """
    if encoding not in ("", "identity", "gzip"):
        raise BatchError(f"Content-Encoding {encoding[:40]!r}; gzip or none is wanted")
    inflater = Inflater(max_json_bytes) if encoding == "gzip" else None
    plain = bytearray()
    size = 0
    try:
        async with asyncio.timeout(max_body_s):
            async for piece in pieces:
                size += len(piece)
                if size > max_body_bytes:
                    raise TooLargeError(f"more than {max_body_bytes} bytes")
                if inflater:
                    inflater.feed(piece)
                else:
                    plain += piece
    except TimeoutError:
        raise TooSlowError(f"the body did not arrive within {max_body_s:.0f} s") from None
    if inflater:
        return inflater.result(), size
    if len(plain) > max_json_bytes:
        raise TooLargeError(f"more than {max_json_bytes} bytes")
    return bytes(plain), size
