"""The body of POST /v1/events: unpacked within bounds, and cut into messages as received."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from services.ingest.cut import CutError, elements, members

MAX_NUMBER = 2**63 - 2  # the numbers are kept as ranges, whose open end must be a bigint too
_Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)]
_NOTHING = msgspec.Raw(b"")
_CHUNK = 65_536


class BatchError(ValueError):
    """The whole batch is refused; the text says why."""


class TooLargeError(BatchError):
    """More bytes or messages than the limits allow."""


@dataclass(frozen=True)
class Line:
    """One message of a batch. `body` is its bytes as received; `type` None where it is no text."""

    n: int
    type: str | None
    body: bytes


@dataclass(frozen=True)
class Batch:
    spool: UUID
    first_unsent: int  # the lowest number that the spool has not got an answer for
    last: int  # the highest number that the spool has given
    sent_at: datetime  # by the site's clock
    arrived_at: datetime  # when its request began to come in, by the hub's clock
    lines: list[Line]


class _Envelope(msgspec.Struct):
    spool: UUID
    first_unsent: _Number
    last: Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)]
    messages: list[msgspec.Raw]


class _Numbered(msgspec.Struct):
    n: _Number
    type: msgspec.Raw = _NOTHING
    body: msgspec.Raw = _NOTHING


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_NUMBERED = msgspec.json.Decoder(_Numbered)
_NUMBER = msgspec.json.Decoder(_Number)
_TEXT = msgspec.json.Decoder(str)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Inflater:
    """Gunzips piece by piece and never holds more than `limit` bytes of result."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._gunzip = zlib.decompressobj(wbits=31)
        self._inflated = bytearray()

    def feed(self, piece: bytes) -> None:
        """Raises: BatchError, TooLargeError."""
        if self._gunzip.eof and piece:
            raise BatchError("bytes follow the end of the gzip stream")
        while piece:
            try:
                self._inflated += self._gunzip.decompress(piece, _CHUNK)
            except zlib.error:
                raise BatchError("Content-Encoding says gzip, and the body is not") from None
            if len(self._inflated) > self._limit:
                raise TooLargeError(f"more than {self._limit} bytes when unpacked")
            if self._gunzip.unused_data:
                raise BatchError("bytes follow the end of the gzip stream")
            piece = self._gunzip.unconsumed_tail

    def result(self) -> bytes:
        if not self._gunzip.eof:
            raise BatchError("the gzip stream is cut off")
        return bytes(self._inflated)


def parse_batch(body: bytes, max_messages: int, arrived_at: datetime) -> Batch:
    """Cut `body` into its messages, whose own faults are not looked at here.

    Raises: BatchError, where what is wrong could not be told by a message's number; TooLargeError.
    """
    try:
        envelope = _ENVELOPE.decode(body)
    except _UNREADABLE as error:
        envelope = _cut_envelope(body, error)
    if len(envelope.messages) > max_messages:
        raise TooLargeError(f"{len(envelope.messages)} messages; at most {max_messages} a batch")
    return Batch(
        spool=envelope.spool,
        first_unsent=envelope.first_unsent,
        last=envelope.last,
        sent_at=envelope.sent_at,
        arrived_at=arrived_at,
        lines=[_line(*numbered) for numbered in enumerate(envelope.messages)],
    )


def _cut_envelope(body: bytes, why: Exception) -> _Envelope:
    """The envelope of a batch in which some message is not JSON that can be read."""
    try:
        outer = members(body)
        messages = elements(outer.pop(b"messages", b""))
        bare = b",".join(b'"%s":%s' % member for member in outer.items())
        envelope = _ENVELOPE.decode(b'{"messages":[],%s}' % bare)
    except (CutError, *_UNREADABLE):
        raise BatchError(f"not the JSON that is wanted: {str(why)[:200]}") from None
    envelope.messages = [msgspec.Raw(message) for message in messages]
    return envelope


def _line(position: int, element: msgspec.Raw) -> Line:
    try:
        numbered = _NUMBERED.decode(element)
    except _UNREADABLE as error:
        try:
            parts = members(bytes(element))
            number = _NUMBER.decode(parts.get(b"n", b""))
        except (CutError, *_UNREADABLE):
            raise BatchError(f"messages[{position}]: {str(error)[:200]}") from None
        return Line(number, _text(parts.get(b"type", b"")), parts.get(b"body", b""))
    return Line(numbered.n, _text(bytes(numbered.type)), bytes(numbered.body))


def _text(raw: bytes) -> str | None:
    try:
        return _TEXT.decode(raw)
    except _UNREADABLE:
        return None
