"""What stands in a recording instead of a secret: of the same length, letters for letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from typing import NamedTuple

_LONGEST = 2_048  # that is looked for; as long as a value is
_SHORTEST = 3
_TRIES = 200
_KINDS = (digits, ascii_lowercase, ascii_uppercase)
_TWO_OCTETS = "äöüßéèêàçñåøæ"


class Form(NamedTuple):
    """One way in which a secret is written, and what stands in its place.

    `edge` says what may not stand beside it: a letter or digit ("word"), a digit or a further part
    of a version ("number").
    """

    text: str
    stand_in: str
    secret: int
    edge: str = ""


class Finder:
    """The forms of all secrets, found in a text from left to right, the longest first."""

    def __init__(self) -> None:
        self._forms: dict[str, list[Form]] = {}
        self._lengths: dict[str, list[int]] = {}  # by the first letters

    def add(self, form: Form) -> None:
        size = len(form.text)
        if not _SHORTEST <= size <= _LONGEST:
            return
        key = lower(form.text)
        known = self._forms.setdefault(key, [])
        if all(each.text != form.text for each in known):
            known.append(form)
        lengths = self._lengths.setdefault(key[:_SHORTEST], [])
        if size not in lengths:
            lengths.append(size)
            lengths.sort(reverse=True)

    def found(self, text: str) -> Iterator[tuple[int, int, Form]]:
        """Begin, end and form of each, in order; none overlaps another."""
        low, at = lower(text), 0
        while at <= len(text) - _SHORTEST:
            form = self._at(text, low, at)
            if form:
                yield at, at + len(form.text), form
            at += len(form.text) if form else 1

    def _at(self, text: str, low: str, at: int) -> Form | None:
        for size in self._lengths.get(low[at : at + _SHORTEST], ()):
            for form in self._forms.get(low[at : at + size], ()):
                if _is_free(text, at, at + size, form.edge):
                    return form
        return None


def _is_free(text: str, begin: int, end: int, edge: str) -> bool:
    before, after = text[max(0, begin - 2) : begin], text[end : end + 2]
    if edge == "word":
        return not (before[-1:].isalnum() or after[:1].isalnum())
    if edge == "number":
        beside = re.search(r"\d\.?\Z", before), re.match(r"\.?\d", after)
        return not any(beside)
    return True


def fitted(form: Form, there: str) -> str:
    """The stand-in in upper and lower case as the secret stands there."""
    if there == form.text:
        return form.stand_in
    if there == upper(there):
        return upper(form.stand_in)
    if there == lower(there):
        return lower(form.stand_in)
    return "".join(
        new if old == now else new.swapcase() if new.isascii() else new
        for new, old, now in zip(form.stand_in, form.text, there, strict=True)
    )


def lower(text: str) -> str:
    """ASCII alone: what is beyond may be a part of a letter."""
    return text.encode("latin-1").lower().decode("latin-1")


def upper(text: str) -> str:
    return text.encode("latin-1").upper().decode("latin-1")


class Maker:
    """Makes stand-ins, none of them twice."""

    def __init__(self, dice: Random, taken: Iterable[str]) -> None:
        """`taken`, in lower case, is what no stand-in may be."""
        self._dice = dice
        self._taken = set(taken)

    def fresh(self, make: Callable[[], str]) -> str:
        """One that is, where there are enough, neither taken nor another's."""
        made = make()
        for _ in range(_TRIES):
            if lower(made) not in self._taken:
                break
            made = make()
        self._taken.add(lower(made))
        return made

    def letters(self, text: str) -> str:
        """Digits for digits, letters for letters; what is neither stays. Octets as Latin-1."""
        try:
            return (
                "".join(map(self._like, text.encode("latin-1").decode())).encode().decode("latin-1")
            )
        except UnicodeDecodeError:
            return "".join(
                self._like(letter) if letter.isascii() else chr(self._dice.randrange(0xE0, 0xF7))
                for letter in text
            )

    def _like(self, letter: str) -> str:
        if letter.isascii():
            return next((self._dice.choice(kind) for kind in _KINDS if letter in kind), letter)
        octets = len(letter.encode())
        if octets == 2:
            return self._dice.choice(_TWO_OCTETS)
        return chr(self._dice.randrange(*((0x4E00, 0x9F00) if octets == 3 else (0x20000, 0x2A000))))

    def hex_digits(self, text: str) -> str:
        return "".join(
            self._dice.choice("0123456789abcdef") if letter in "0123456789abcdef" else letter
            for letter in text
        )

    def address(self, quad: str) -> str:
        """An IPv4 address whose numbers are as long; private networks stay private ones."""
        octets = quad.split(".")
        kept = 2 if quad.startswith("192.168.") else 1 if quad.startswith("10.") else 0
        return ".".join([*octets[:kept], *map(self._number, octets[kept:])])

    def number(self, size: int, below: int) -> str:
        """Of that many digits."""
        return str(self._dice.randrange(10 ** (size - 1), min(10**size, below)))

    def _number(self, octet: str) -> str:
        return str(self._dice.randrange(*{1: (1, 10), 2: (10, 100), 3: (128, 224)}[len(octet)]))
