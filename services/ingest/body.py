"""Reading a request's body in pieces, and unpacking it; neither is held beyond the limits."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from services.ingest.envelope import BatchError, TooLargeError

_CHUNK = 65_536
_CUT = "the gzip stream is cut off, or bytes follow its end"
_GZIP = 31  # zlib's window bits of a gzip stream


class TooSlowError(BatchError):
    """The body did not arrive in time."""


class WrongTypeError(BatchError):
    """Its Content-Type or Content-Encoding is not one that is taken."""


def is_gzip(headers: Mapping[str, str]) -> bool:
    """Raises: WrongTypeError."""
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongTypeError(f"Content-Type {kind[:40]!r}; application/json is wanted")
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise WrongTypeError(f"Content-Encoding {encoding[:40]!r}; gzip or none is wanted")
    return encoding == "gzip"


def announced_size(headers: Mapping[str, str], max_bytes: int) -> int:
    """How many bytes the body has at most. Raises: TooLargeError."""
    length = headers.get("content-length", "")[:18]
    size = int(length) if length.isdecimal() else max_bytes
    if size > max_bytes:
        raise TooLargeError(f"{size} bytes; at most {max_bytes}")
    return size


async def read_body(pieces: AsyncIterator[bytes], *, max_bytes: int, max_s: float) -> bytes:
    """Raises: TooLargeError, TooSlowError."""
    body = bytearray()
    try:
        async with asyncio.timeout(max_s):
            async for piece in pieces:
                if len(body) + len(piece) > max_bytes:
                    raise TooLargeError(f"more than {max_bytes} bytes")
                body += piece
    except TimeoutError:
        raise TooSlowError(f"the body did not arrive within {max_s:.0f} s") from None
    return bytes(body)


def unpacked_size(packed: bytes) -> int:
    """How many bytes a gzip stream says that it holds. Source: RFC 1952, ISIZE."""
    return int.from_bytes(packed[-4:], "little")


def unpack(packed: bytes, size: int, max_bytes: int) -> bytes:
    """A gzip stream that says it holds `size` bytes, of which more never come into memory.

    Raises: BatchError, TooLargeError.
    """
    gunzip = zlib.decompressobj(_GZIP)
    try:
        if size > max_bytes:
            raise _over(max_bytes, gunzip, packed)
        body = gunzip.decompress(packed, size + 1)
    except zlib.error:
        raise BatchError("Content-Encoding says gzip, and the body is not") from None
    if len(body) != size or not gunzip.eof or gunzip.unused_data:
        raise BatchError(_CUT)
    return body


def _over(max_bytes: int, gunzip: zlib._Decompress, packed: bytes) -> BatchError:
    """What is wrong with a stream that says it is too large, which may be cut off instead.

    Nothing of it is kept. Raises: zlib.error.
    """
    seen = 0
    while not gunzip.eof:
        piece = gunzip.decompress(packed, _CHUNK)
        packed = gunzip.unconsumed_tail
        seen += len(piece)
        if seen > max_bytes:
            return TooLargeError(f"more than {max_bytes} bytes when unpacked")
        if not (piece or packed):
            break
    return BatchError(_CUT)
