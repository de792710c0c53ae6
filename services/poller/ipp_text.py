"""Words, numbers and key=value lists in what IPP printers say; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.text import clean

_MAX_PAIRS = 64


def pairs_in(text: str | None) -> Mapping[str, str]:
    """A `key=value;` list of PWG 5100.9 or 5100.13, keys in lower case; the first of each."""
    pairs: dict[str, str] = {}
    for part in (text or "").split(";", _MAX_PAIRS)[:_MAX_PAIRS]:
        key, _, value = part.partition("=")
        if value.strip():
            pairs.setdefault(key.strip().lower(), value.strip())
    return pairs


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
