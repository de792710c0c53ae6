"""What others say in text: decoded, cleaned and bounded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MAX_TEXT = 255  # DisplayString and the Printer MIB's texts: SIZE (0..255)


def decoded(octets: bytes, codecs: Sequence[str] = ("utf-8",), limit: int = MAX_TEXT) -> str | None:
    """One clean line in the first codec that takes the octets; Latin-1 takes what is left."""
    for codec in codecs:
        try:
            return clean(octets.decode(codec), limit)
        except (UnicodeDecodeError, UnicodeError):
            continue
    return clean(octets.decode("latin-1"), limit)


def clean(text: str, limit: int = MAX_TEXT) -> str | None:
    """Without control, format, surrogate and unassigned characters; runs of blanks as one."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return " ".join(text.split()) or None
    kept = "".join(
        " " if letter.isspace() else letter
        for letter in text[: 8 * limit]
        if letter.isspace() or unicodedata.category(letter)[0] != "C"
    )
    return " ".join(kept.split())[:limit].rstrip() or None
