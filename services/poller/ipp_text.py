"""Texts, numbers and key=value lists in IPP attributes; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.poller.ipp_wire import Attributes, Value
from services.poller.text import clean, decode_text

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
    return decode_text(value.value, limit=LONGEST) if isinstance(value.value, bytes) else None


def pairs_in(text: str | None) -> Mapping[str, str]:
    """A `key=value;` list of PWG 5100.9 or 5100.13, keys in lower case; the first of each."""
    pairs: dict[str, str] = {}
    for part in (text or "").split(";", _MAX_PAIRS)[:_MAX_PAIRS]:
        key, _, value = part.partition("=")
        if value.strip():
            pairs.setdefault(key.strip().lower(), value.strip())
    return pairs


def device_id_in(text: str | None) -> Mapping[str, str]:
    """`KEY:value;` of an IEEE 1284 device ID, keys in upper case."""
    fields: dict[str, str] = {}
    for part in (text or "").split(";", _MAX_PAIRS)[:_MAX_PAIRS]:
        key, _, value = part.partition(":")
        if value.strip():
            fields.setdefault(key.strip().upper(), value.strip())
    return fields


def letters(text: str) -> str:
    """Without what devices spell differently: tonerCartridge, toner-cartridge, Toner Cartridge."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def words(text: str | None) -> str | None:
    """A keyword as words: generalPrinter and general-printer as "general printer"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text or "").replace("-", " ")
    return clean(spaced.lower())


def whole_number(text: str | None) -> int | None:
    """Of at most 18 digits, with a sign or without."""
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text) else None
