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

_length = struct.Struct("!i").pack
_fields = struct.Struct("!h").pack
_array = struct.Struct("!iiiIii").pack  # octets, dimensions, has nulls, of type, how many, first
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


def _column(encode: Callable[[Any], bytes], values: Sequence[Any]) -> list[bytes]:
    first = values[0]
    if all(map(partial(is_, first), values)):  # one site, one round, one instant of arrival
        return [_NULL if first is None else encode(first)] * len(values)
    return [_NULL if value is None else encode(value) for value in values]


def _octets(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    octets = value.encode()
    return _length(len(octets)) + octets


def _uuid(value: UUID) -> bytes:
    return b"\0\0\0\x10" + value.int.to_bytes(16, "big")


def _instant(value: datetime) -> bytes:
    since = value - _EPOCH
    return _bigint((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


@lru_cache(maxsize=256)  # names and units of meters are the same for all devices of a model
def _texts(values: tuple[str, ...]) -> bytes:
    return _of_elements(_TEXT_OID, [_text(value) for value in values])


def _bigints(values: Sequence[int]) -> bytes:
    return _of_elements(_BIGINT_OID, [_bigint(value) for value in values])


def _of_elements(oid: int, elements: list[bytes]) -> bytes:
    octets = b"".join(elements)
    return _array(20 + len(octets), 1, 0, oid, len(elements), 1) + octets


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "bigint": _bigint,
    "integer": partial(struct.Struct("!ii").pack, 4),
    "smallint": partial(struct.Struct("!ih").pack, 2),
    "float": partial(struct.Struct("!id").pack, 8),
    "text": _text,
    "bytea": _octets,
    "uuid": _uuid,
    "timestamptz": _instant,
    "text[]": _texts,
    "bigint[]": _bigints,
}


@lru_cache
def _encoders(columns: str) -> list[Callable[[Any], bytes]]:
    return [_ENCODERS[column.split()[1]] for column in columns.split(",")]
