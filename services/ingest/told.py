"""What an uploader tells beside its messages: optional members of a batch. Pure.

A member that is not as it should be counts as not told: none of these costs a message.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec

_T = TypeVar("_T")
MAX_NUMBER = 2**63 - 2  # the numbers are kept as ranges, whose open end must be a bigint too
MAX_STATUS_BYTES = 4096
MAX_CARRIED = 1000
_LONGEST_AGE_S = 10 * 366 * 86_400.0

Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Age = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_AGE_S)]
Why = Literal["new", "lost", "restored", "reused"]
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Began(msgspec.Struct, frozen=True):
    """That a spool is another than the one before, in each of its batches until one is answered.

    `carried`: numbers of the spool before whose messages wait in this one under new numbers, as
    (first, last).
    """

    before: UUID | None
    why: Why
    carried: Annotated[list[tuple[Number, Number]], msgspec.Meta(max_length=MAX_CARRIED)] = []


_BEGAN = msgspec.json.Decoder(Began)
_STATUS = msgspec.json.Decoder(dict[str, Any])
_INSTANT = msgspec.json.Decoder(Instant)
_AGE_S = msgspec.json.Decoder(Age)
_TEXT = msgspec.json.Decoder(str)


def read_began(raw: bytes) -> Began | None:
    """Raises: msgspec.DecodeError, UnicodeDecodeError, RecursionError."""
    if raw in (b"", b"null"):
        return None
    began = _BEGAN.decode(raw)
    if any(first > last for first, last in began.carried):
        raise msgspec.DecodeError("carried: a range ends before it begins")
    return began


def read_status(raw: bytes) -> str | None:
    """The object as it was sent. Raises: as `read_began`."""
    if raw in (b"", b"null"):
        return None
    if len(raw) > MAX_STATUS_BYTES:
        raise msgspec.DecodeError(f"{len(raw)} bytes; at most {MAX_STATUS_BYTES}")
    _STATUS.decode(raw)
    return raw.decode()


def read_instant(raw: bytes) -> datetime | None:
    return _read(_INSTANT, raw)


def read_age_s(raw: bytes) -> float | None:
    return _read(_AGE_S, raw)


def read_text(raw: bytes) -> str | None:
    return _read(_TEXT, raw)


def _read(decoder: msgspec.json.Decoder[_T], raw: bytes) -> _T | None:
    try:
        return decoder.decode(raw) if raw else None
    except UNREADABLE:
        return None
