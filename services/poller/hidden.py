"""The secrets of one walk, and what stands in their places. Texts are octets as Latin-1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from services.poller.private_rows import COMMUNITY, IP, MAC, NAME, SERIAL, URL, UUID
from services.poller.secret_forms import forms
from services.poller.stand_ins import Finder, Form, Maker, fitted, lower
from services.poller.text import serial_or_none

# not looked for elsewhere where a name is nothing but these: labels of rows are made of them
_TRADE = """
a3 a4 admin administrator all bk black bw color colour copier copies copy cyan default device drum
duplex fax full hp impressions ink large laser laserjet letter life local localhost magenta mono
multifunction network no none null off office officejet on pages paper plotter print printer
printers prints public ready scan scanner scans server sheets small standard system toner total tray
unknown unspecified yellow
"""
_TRADE_WORDS = frozenset(_TRADE.split())
_HOST = re.compile(r"(?:[^/@\\]*@)?([A-Za-z0-9][\w.-]*)")
_FULL_NAME = re.compile(r"([A-Za-z0-9-]{4,})(?:\.[\w-]+)+")
_QUAD = re.compile(r"[0-9.]+")
_WORD = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"[1-9][0-9]{5,9}")  # a serial that may stand in an INTEGER
_MOST_INTEGER = 2**31
_ORDINAL = re.compile(r"[0-9]{1,2}")
_FEWEST_DIGITS = 6
_BLANK = " \t\r\n\0"
_FEWEST_ARCS = 5  # of a text in an index
_FIRST_OWN_ARC = 7  # of a maker's OIDs, after its number

Replaced = tuple[str, list[int]]  # the text, and which secrets were in it


@dataclass
class Hidden:
    """A secret, what stands in its place, and where: OIDs as they are in the recording."""

    kind: str
    secret: str
    stand_in: str = ""
    places: list[str] = field(default_factory=list)


class Secrets:
    """First `note` all, then `settle`; then texts are replaced.

    `models` are the device's names of itself. What they hold is no owner's name, but where an
    owner's name is expected.
    """

    def __init__(self, dice: Random, models: Iterable[str]) -> None:
        self.hidden: list[Hidden] = []
        self._dice = dice
        self._finder = Finder()
        self._models = {lower(model.strip(_BLANK)) for model in models}
        self._model_letters = ["".join(_WORD.findall(model)) for model in self._models]
        self._numbers: dict[str, int] = {}  # of the secrets, by how they are written
        self._addresses: dict[str, int] = {}

    def note(self, kind: str, text: str) -> None:
        text = text.strip(_BLANK)
        if kind == MAC:
            text = re.sub(r"[^0-9a-f]", "", lower(text))
        elif kind == IP and ":" not in text:
            text = ".".join(str(int(octet)) for octet in text.split("."))
        elif (
            kind == SERIAL and (not serial_or_none(text, None, None) or lower(text) in self._models)
        ) or (kind == COMMUNITY and lower(text) == "public"):
            return
        known = self._numbers.get(lower(text))
        if known is not None and self.hidden[known].kind == NAME:  # a serial may be a name as well
            self.hidden[known] = Hidden(kind, text)
        elif known is None and any(map(str.isalnum, text)):
            self._numbers[lower(text)] = len(self.hidden)
            self.hidden.append(Hidden(kind, text))
        host = _HOST.match(text) if kind == URL else _FULL_NAME.fullmatch(text)
        if kind in {NAME, URL} and host and host[1] != text and not _QUAD.fullmatch(host[1]):
            self.note(NAME, host[1])

    def settle(self) -> None:
        """Makes the stand-ins: of what others may hold first."""
        maker = Maker(self._dice, self._numbers)
        by_length = sorted(enumerate(self.hidden), key=lambda each: len(each[1].secret))
        for kinds in ((MAC,), (IP,), (SERIAL, UUID), None):
            for number, hidden in by_length:
                if not hidden.stand_in and (kinds is None or hidden.kind in kinds):
                    hidden.stand_in = maker.fresh(self._making(hidden, maker))
                    if self._is_telling(hidden):
                        for form in forms(hidden.kind, hidden.secret, hidden.stand_in, number):
                            self._finder.add(form)
                    if hidden.kind == IP and ":" not in hidden.secret:
                        self._addresses[hidden.secret] = number

    def _making(self, hidden: Hidden, maker: Maker) -> Callable[[], str]:
        secret = hidden.secret
        if hidden.kind == MAC:  # whose first half names the maker
            return lambda: secret[:6] + maker.hex_digits(secret[6:])
        if hidden.kind == IP and ":" not in secret:
            return lambda: maker.address(secret)
        if hidden.kind == IP:
            first, _, rest = secret.partition(":")
            return lambda: f"{first}:{maker.hex_digits(rest)}"
        if hidden.kind == SERIAL and _NUMBER.fullmatch(secret):
            return lambda: maker.number(len(secret), _MOST_INTEGER)
        if hidden.kind == UUID:
            return lambda: maker.hex_digits(secret)
        return lambda: self._with_known(secret, maker)

    def _with_known(self, text: str, maker: Maker) -> str:
        """Other letters, but for the secrets in it that have their stand-ins already."""
        made, at = "", 0
        for begin, end, form in self._finder.found(text):
            made += maker.letters(text[at:begin]) + fitted(form, text[begin:end])
            at = end
        return made + maker.letters(text[at:])

    def _is_telling(self, hidden: Hidden) -> bool:
        """Whether it is looked for elsewhere: not what may be a count, or a word of a label."""
        text = hidden.secret
        if text.isdecimal() and len(text) < _FEWEST_DIGITS:
            return False
        if hidden.kind != NAME:
            return True
        words = _WORD.findall(lower(text))
        own = [word for word in words if word not in _TRADE_WORDS and not _ORDINAL.fullmatch(word)]
        return bool(own) and not any("".join(words) in model for model in self._model_letters)

    def whole(self, text: str) -> Replaced | None:
        """A value that is a secret, whatever it says; None where it was never noted."""
        core = text.strip(_BLANK)
        number = self._numbers.get(lower(core))
        if number is None:
            return None
        hidden = self.hidden[number]
        form = Form(hidden.secret, hidden.stand_in, number)
        begin = text.index(core)
        return text[:begin] + fitted(form, core) + text[begin + len(core) :], [number]

    def in_octets(self, text: str) -> Replaced:
        """A value in which secrets may be; four octets may be an address."""
        if len(text) == 4 and not (text.isascii() and text.isalnum()):
            quad, found = self.in_address(".".join(str(ord(letter)) for letter in text))
            if found:
                return "".join(chr(int(octet)) for octet in quad.split(".")), found
        made, found, at = "", [], 0
        for begin, end, form in self._finder.found(text):
            made += text[at:begin] + fitted(form, text[begin:end])
            found.append(form.secret)
            at = end
        return made + text[at:], found

    def in_address(self, quad: str) -> Replaced:
        number = self._addresses.get(quad)
        return (quad, []) if number is None else (self.hidden[number].stand_in, [number])

    def in_number(self, value: int) -> tuple[int, list[int]]:
        number = self._numbers.get(str(value))
        if number is None or self.hidden[number].kind != SERIAL or value < 10**5:
            return value, []
        return int(self.hidden[number].stand_in), [number]

    def in_oid(self, oid: str, *, may_hold_ip: bool) -> Replaced:
        """An OID, whose index may hold octets or an address."""
        arcs = oid.split(".")
        text = "".join(chr(min(int(arc), 255)) for arc in arcs)
        found: list[int] = []
        for begin, end, form in self._finder.found(text):
            if end - begin >= _FEWEST_ARCS and all(int(arc) < 256 for arc in arcs[begin:end]):
                arcs[begin:end] = [str(ord(letter)) for letter in fitted(form, text[begin:end])]
                found.append(form.secret)
        for begin in (
            range(_FIRST_OWN_ARC, len(arcs) - 3) if may_hold_ip and self._addresses else ()
        ):
            quad = arcs[begin : begin + 4]
            number = self._addresses.get(".".join(quad))
            if number is not None and (begin + 4 == len(arcs) or not _may_be_objects(quad)):
                arcs[begin : begin + 4] = self.hidden[number].stand_in.split(".")
                found.append(number)
        return ".".join(arcs), found


def _may_be_objects(quad: list[str]) -> bool:
    """10.1.1.12 stands in the OIDs of meters; such an address is looked for at their ends alone."""
    return all(1 <= int(arc) < 40 for arc in quad)
