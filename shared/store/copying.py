"""Rows as COPY takes them in PostgreSQL's binary format. Pure.

Source: PostgreSQL's manual, COPY, "Binary Format"; what a type sends, its *_send function.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import chain
from operator import is_
from typing import Any
from uuid import UUID

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
COPY_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TEXT_OID, _BIGINT_OID = 25, 20
_EIGHT = struct.pack("!i", 8)
_LONGEST_REMEMBERED, _MOST_REMEMBERED = 128, 65_536  # octets, texts
_Encoder = Callable[[Sequence[Any]], list[bytes]]  # of a column's values, of which any may be None

_length = struct.Struct("!i").pack
_fields = struct.Struct("!h").pack
_ARRAY = "!iiiIii"  # octets, dimensions, has nulls, of type, how many, first
_bigint = partial(struct.Struct("!iq").pack, 8)


class UnfitError(ValueError):
    """A value that its column's type cannot hold."""


def copy_columns(columns: str) -> tuple[str, ...]:
    """The names in "name type, name type"."""
    return tuple(column.split()[0] for column in columns.split(","))


def copy_bytes(columns: str, rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows of a COPY's input, which stand between COPY_HEAD and COPY_END.

    Args:
        columns: "name type, name type", of the types below.
    Raises: UnfitError.
    """
    encoders = _encoders(columns)
    try:
        cells = [
            _column(encode, values)
            for encode, values in zip(encoders, zip(*rows, strict=True), strict=True)
        ]
    except (struct.error, UnicodeEncodeError) as error:
        raise UnfitError(str(error)) from None
    fields = [_fields(len(encoders))] * len(rows)
    return b"".join(chain.from_iterable(zip(fields, *cells, strict=True)))


def _column(encode: _Encoder, values: Sequence[Any]) -> list[bytes]:
    first = values[0]
    if all(map(partial(is_, first), values)):  # one site, one round, one instant of arrival
        return encode([first]) * len(values)
    return encode(values)


def _each(encode: Callable[[Any], bytes]) -> _Encoder:
    return lambda values: [_NULL if value is None else encode(value) for value in values]


def _octets(value: bytes) -> bytes:
    return _length(len(value)) + value


class _Texts(dict[str | None, bytes]):
    """Texts as COPY takes them; remembered, for devices call themselves what they did."""

    def __missing__(self, value: str | None) -> bytes:
        if value is None:
            return _NULL
        octets = value.encode()
        cell = _length(len(octets)) + octets
        if len(octets) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[value] = cell
        return cell


_text = _Texts().__getitem__


def _texts(values: Sequence[str | None]) -> list[bytes]:
    return list(map(_text, values))


def _uuids(values: Sequence[UUID | None]) -> list[bytes]:
    return [
        _NULL if value is None else b"\0\0\0\x10" + value.int.to_bytes(16, "big")
        for value in values
    ]


def _instant(value: datetime) -> bytes:
    since = value - _EPOCH
    return _bigint((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


@lru_cache(maxsize=256)  # names and units of meters are the same for all devices of a model
def _text_array(values: tuple[str, ...]) -> bytes:
    octets = b"".join(_texts(values))
    return struct.pack(_ARRAY, 20 + len(octets), 1, 0, _TEXT_OID, len(values), 1) + octets


def _bigint_array(values: Sequence[int]) -> bytes:
    head, pack, cut = _bigints(len(values))
    return _EIGHT.join((head, *cut(pack(*values))))


@lru_cache(maxsize=256)
def _bigints(count: int) -> tuple[bytes, Callable[..., bytes], Callable[[bytes], tuple[Any, ...]]]:
    """(an array's head, what writes its elements, what cuts them apart)"""
    head = struct.pack(_ARRAY, 20 + 12 * count, 1, 0, _BIGINT_OID, count, 1)
    return head, struct.Struct(f"!{count}q").pack, struct.Struct(count * "8s").unpack


_ENCODERS: dict[str, _Encoder] = {
    "bigint": _each(_bigint),
    "integer": _each(partial(struct.Struct("!ii").pack, 4)),
    "smallint": _each(partial(struct.Struct("!ih").pack, 2)),
    "float": _each(partial(struct.Struct("!id").pack, 8)),
    "text": _texts,
    "bytea": _each(_octets),
    "uuid": _uuids,
    "timestamptz": _each(_instant),
    "text[]": _each(_text_array),
    "bigint[]": _each(_bigint_array),
}


@lru_cache
def _encoders(columns: str) -> list[_Encoder]:
    return [_ENCODERS[column.split()[1]] for column in columns.split(",")]
