"""Cutting JSON at its commas and brackets alone, for a batch that a parser refuses as a whole.

A lone surrogate, bytes that are no UTF-8, or nesting without end in one message would otherwise
cost every message of its batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# possessive: a string is matched once or not at all, whatever it holds
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_MEMBER = re.compile(rb'\s*"((?:[^"\\]++|\\.)*+)"\s*:\s*', re.DOTALL)
_SPACE = b" \t\r\n"


class CutError(ValueError):
    """Brackets or quotes that do not match: nothing can be told apart."""


def members(text: bytes) -> dict[bytes, bytes]:
    """The members of the object that `text` is, by name, as they stand there.

    Raises: CutError.
    """
    found = {}
    for piece in _pieces(text, b"{", b"}"):
        name = _MEMBER.match(piece)
        if name is None:
            raise CutError("a member of an object has no name")
        found[name[1]] = piece[name.end() :].strip(_SPACE)
    return found


def elements(text: bytes) -> list[bytes]:
    """The elements of the array that `text` is, as they stand there. Raises: CutError."""
    return [piece.strip(_SPACE) for piece in _pieces(text, b"[", b"]")]


def _pieces(text: bytes, opening: bytes, closing: bytes) -> Iterator[bytes]:
    text = text.strip(_SPACE)
    if not (text.startswith(opening) and text.endswith(closing)) or len(text) < 2:
        raise CutError(f"not between {opening.decode()} and {closing.decode()}")
    if not text[1:-1].strip(_SPACE):
        return
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == 0 and token.end() != len(text):
                raise CutError("brackets close too early")
        elif sign == b'"':
            raise CutError("a string has no end")
        elif sign == b"," and depth == 1:
            yield text[begin : token.start()]
            begin = token.end()
    if depth != 0:
        raise CutError("brackets do not match")
    yield text[begin:-1]
