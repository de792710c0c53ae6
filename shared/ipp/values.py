"""Texts and numbers in IPP attributes; pure."""

from __future__ import annotations

from collections.abc import Mapping

from shared.ipp.wire import Attributes, Value
from shared.text import decoded

LONGEST = 1024
MAX_VALUES = 200  # of an attribute that is a list
_MAX_PAIRS = 64


def text_in(attributes: Attributes, name: str) -> str | None:
    """The first value of an attribute as text."""
    return next((text for value in attributes.get(name, ()) if (text := text_of(value))), None)


def texts_in(attributes: Attributes, name: str) -> list[str | None]:
    return [text_of(value) for value in attributes.get(name, ())[:MAX_VALUES]]


def integers_in(attributes: Attributes, name: str) -> list[int | None]:
    values = attributes.get(name, ())[:MAX_VALUES]
    return [value.value if isinstance(value.value, int) else None for value in values]


def integer_in(attributes: Attributes, name: str) -> int | None:
    return next(iter(integers_in(attributes, name)), None)


def text_of(value: Value) -> str | None:
    return decoded(value.value, limit=LONGEST) if isinstance(value.value, bytes) else None


def device_id_in(text: str | None) -> Mapping[str, str]:
    """`KEY:value;` of an IEEE 1284 device ID, keys in upper case."""
    fields: dict[str, str] = {}
    for part in (text or "").split(";", _MAX_PAIRS)[:_MAX_PAIRS]:
        key, _, value = part.partition(":")
        if value.strip():
            fields.setdefault(key.strip().upper(), value.strip())
    return fields
