"""The body of POST /v1/events: cut into its messages as received."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from services.ingest.cut import CutError, elements, members
from services.ingest.told import (
    MAX_NUMBER,
    UNREADABLE,
    Age,
    Began,
    Instant,
    Number,
    read_age_s,
    read_began,
    read_instant,
    read_status,
    read_text,
)
from shared.log import log

_T = TypeVar("_T")
_NOTHING = msgspec.Raw(b"")


class BatchError(ValueError):
    """The whole batch is refused; the text says why."""


class TooLargeError(BatchError):
    """More bytes or messages than the limits allow."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One message of a batch. `body` is its bytes as received; `type` None where it is no text."""

    n: int
    type: str | None
    body: bytes
    stored_at: datetime | None = None  # when it was spooled, by the site's clock
    age_s: float | None = None  # and how long ago, by a clock that nobody sets


@dataclass(frozen=True)
class Batch:
    spool: UUID
    first_unsent: int  # the lowest number that the spool has not got an answer for
    last: int  # the highest number that the spool has given
    sent_at: datetime  # by the site's clock
    arrived_at: datetime  # when its request began to come in, by the hub's clock
    lines: list[Line]
    began: Began | None = None
    status: str | None = None  # a JSON object: how the site is


class _Envelope(msgspec.Struct):
    spool: UUID
    first_unsent: Number
    last: Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)]
    messages: list[msgspec.Raw]
    began: msgspec.Raw = _NOTHING
    status: msgspec.Raw = _NOTHING


class _Usual(msgspec.Struct):
    """A message of which each member is as it should be."""

    n: Number
    type: str
    body: msgspec.Raw
    stored_at: Instant | None = None
    age_s: Age | None = None


class _AllUsual(_Envelope):
    messages: list[_Usual]  # type: ignore[assignment]


class _Numbered(msgspec.Struct):
    n: Number
    type: msgspec.Raw = _NOTHING
    body: msgspec.Raw = _NOTHING
    stored_at: msgspec.Raw = _NOTHING
    age_s: msgspec.Raw = _NOTHING


_JSON_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER, _MOST_DIGITS = 40, 20
_ALL_USUAL = msgspec.json.Decoder(_AllUsual)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_USUAL = msgspec.json.Decoder(_Usual)
_NUMBERED = msgspec.json.Decoder(_Numbered)
_NUMBER = msgspec.json.Decoder(Number)


def parse_batch(body: bytes, max_messages: int, arrived_at: datetime) -> Batch:
    """Cut `body` into its messages, whose own faults are not looked at here.

    Raises: BatchError, where what is wrong could not be told by a message's number; TooLargeError.
    """
    usual = usual_batch(body, max_messages, arrived_at)
    if usual:
        return usual
    try:
        envelope = _ENVELOPE.decode(body)
    except UNREADABLE as error:
        envelope = _cut_envelope(body, error)
    _refuse_many(len(envelope.messages), max_messages)
    lines = [_line(*numbered) for numbered in enumerate(envelope.messages)]
    return _batch(envelope, lines, arrived_at)


def usual_batch(body: bytes, max_messages: int, arrived_at: datetime) -> Batch | None:
    """As `parse_batch`, in a moment; None where some message's members are not as they should be.

    Raises: TooLargeError.
    """
    try:
        envelope = _ALL_USUAL.decode(body)
    except UNREADABLE:
        return None
    _refuse_many(len(envelope.messages), max_messages)
    return _batch(envelope, list(map(_usual_line, envelope.messages)), arrived_at)


def _refuse_many(messages: int, max_messages: int) -> None:
    if messages > max_messages:
        raise TooLargeError(f"{messages} messages; at most {max_messages} a batch")


def _batch(envelope: _Envelope, lines: list[Line], arrived_at: datetime) -> Batch:
    return Batch(
        spool=envelope.spool,
        first_unsent=envelope.first_unsent,
        last=envelope.last,
        sent_at=envelope.sent_at,
        arrived_at=arrived_at,
        lines=lines,
        began=_told("began", envelope.began, read_began),
        status=_told("status", envelope.status, read_status),
    )


def _told(name: str, raw: msgspec.Raw, read: Callable[[bytes], _T | None]) -> _T | None:
    try:
        return read(bytes(raw))
    except UNREADABLE as error:
        log.warning("part of a batch ignored", member=name, reason=str(error)[:200])
        return None


def _cut_envelope(body: bytes, why: Exception) -> _Envelope:
    """The envelope of a batch in which some message is not JSON that can be read."""
    try:
        outer = members(body)
        messages = elements(outer.pop(b"messages", b""))
        told = [msgspec.Raw(outer.pop(name, b"")) for name in (b"began", b"status")]
        for name in outer.keys() & {b"first_unsent", b"last"}:
            outer[name] = _whole(outer[name])
        bare = b",".join(b'"%s":%s' % member for member in outer.items())
        envelope = _ENVELOPE.decode(b'{"messages":[],%s}' % bare)
    except (CutError, *UNREADABLE):
        raise BatchError(f"not the JSON that is wanted: {str(why)[:200]}") from None
    envelope.messages = [msgspec.Raw(message) for message in messages]
    envelope.began, envelope.status = told
    return envelope


def _whole(raw: bytes) -> bytes:
    """A number written as 7.0 or 7e2 is as whole as 7: JSON Schema's integer. As it is, else."""
    if len(raw) > _LONGEST_NUMBER or not _JSON_NUMBER.fullmatch(raw):
        return raw
    try:
        number = Decimal(raw.decode("ascii"))
    except ArithmeticError:  # an exponent beyond all bounds
        return raw
    if number.adjusted() > _MOST_DIGITS:
        return raw
    return b"%d" % int(number) if number == number.to_integral_value() else raw


def _usual_line(usual: _Usual) -> Line:
    return Line(usual.n, usual.type, bytes(usual.body), usual.stored_at, usual.age_s)


def _line(position: int, element: msgspec.Raw) -> Line:
    try:
        return _usual_line(_USUAL.decode(element))
    except UNREADABLE:
        return _unusual_line(position, element)


def _unusual_line(position: int, element: msgspec.Raw) -> Line:
    try:
        numbered = _NUMBERED.decode(element)
    except UNREADABLE as error:
        numbered = _cut_numbered(position, bytes(element), error)
    return Line(
        numbered.n,
        read_text(bytes(numbered.type)),
        bytes(numbered.body),
        read_instant(bytes(numbered.stored_at)),
        read_age_s(bytes(numbered.age_s)),
    )


def _cut_numbered(position: int, element: bytes, why: Exception) -> _Numbered:
    try:
        parts = members(element)
        number = _NUMBER.decode(_whole(parts.pop(b"n", b"")))
    except (CutError, *UNREADABLE):
        raise BatchError(f"messages[{position}]: {str(why)[:200]}") from None
    known = (b"type", b"body", b"stored_at", b"age_s")
    return _Numbered(number, *(msgspec.Raw(parts.get(name, b"")) for name in known))
