"""What devices say in text: decoded, cleaned and bounded; serials that name no device."""

from __future__ import annotations

import re
from functools import lru_cache

from services.poller.mib import CHARSETS
from shared.text import MAX_TEXT, decoded

_MULTIBYTE = frozenset({"shift_jis", "euc_jp", "cp949", "euc_kr", "gbk", "gb18030", "cp932"}) | {
    "gb2312",
    "big5",
    "utf-16",
    "utf-16-be",
    "utf-16-le",
}
_NO_SERIALS = frozenset(
    {
        "UNKNOWN",
        "NONE",
        "NULL",
        "NA",
        "NOTAVAILABLE",
        "NOTSET",
        "NOTDEFINED",
        "DEFAULT",
        "INVALID",
        "TBD",
        "SERIAL",
        "SERIALNO",
        "ABCDEFGH",
        "ABCDEFGHIJ",
        # seen on many devices at once: the board was never given its own
        "0000A2F1R23J",
    }
)


def decode_text(octets: bytes, charset: int | None = None, limit: int = MAX_TEXT) -> str | None:
    """An octet string as one line of text, at most `limit` characters; None where none is left.

    `charset` is the IANA MIBenum that prtLocalizationCharacterSet declares. Any octets are text in
    a one-byte set, and devices that declare one often send UTF-8: there UTF-8 is tried first,
    as octets beyond ASCII are hardly ever valid UTF-8 by chance. Latin-1 takes what is left.
    """
    if len(octets) > MAX_TEXT:
        return _decoded.__wrapped__(octets, charset, limit)
    return _decoded(octets, charset, limit)


@lru_cache(maxsize=16_384)  # devices say the same words again and again
def _decoded(octets: bytes, charset: int | None, limit: int) -> str | None:
    declared = CHARSETS.get(charset) if charset is not None else None
    codecs = [declared, "utf-8"] if declared in _MULTIBYTE else ["utf-8", declared]
    return decoded(octets, [codec for codec in codecs if codec], limit)


@lru_cache(maxsize=4096)
def serial_or_none(text: str | None, model: str | None, mac: str | None) -> str | None:
    """`text` where it can name one device; None for placeholders, its own model or its MAC."""
    if text is None:
        return None
    plain = re.sub(r"[^0-9A-Z]", "", text.upper())
    if len(plain) < 3 or plain in _NO_SERIALS or len(set(plain)) == 1:
        return None
    if plain.startswith("1234567890"):
        return None
    if model and plain == re.sub(r"[^0-9A-Z]", "", model.upper()):
        return None
    if re.fullmatch(r"([0-9A-F]{2}[:-]){5}[0-9A-F]{2}", text.upper()):
        return None
    if mac and plain == mac.replace(":", "").upper():
        return None
    return text


def mac_or_none(octets: bytes) -> str | None:
    """An EUI-48 as lower-case text with colons; None for one that names no interface."""
    if len(octets) != 6 or octets[0] & 1 or not any(octets):
        return None
    return octets.hex(":")
