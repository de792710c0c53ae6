"""Striking what is withheld from texts that are made for people; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from shared.message import Part
from shared.messages import DeviceIdentity, MeterRead, NoCredential, ReadFailed

Strike = Callable[[str], str]
P = TypeVar("P", bound=Part)

_HIDDEN = "(withheld)"
_LONGEST = 1024  # shared.messages.Text
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")  # as a read has it
_LEAST = 3  # letters; a shorter value is found in words that have nothing to do with it
# IPv4, but no part of a longer OID, and IPv6
_ADDRESS = (
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)"
    r"|(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])"
)
_TEXTS: Mapping[type[Part], tuple[str, ...]] = {
    ReadFailed: ("reason", "tried"),
    NoCredential: ("reason",),
    MeterRead: ("notes", "no_meters_because"),
}
_OF_DEVICE = ("hostname", "asset_tag", "location", "firmware", "description")
_OF_SUPPLIES = ("description", "part_number", "serial", "colorant")
_OF_STATUS = ("device", "printer", "errors", "console")


def places(named: Iterable[str], *, addresses: bool) -> Strike:
    """Strikes where a target is, in whatever it stands; and all `addresses`."""
    # the longest first, as one may be within another
    words = [re.escape(place) for place in sorted(filter(None, named), key=len, reverse=True)]
    return _striking([*words, _ADDRESS] if addresses else words)


def values(withheld: Iterable[str]) -> Strike:
    """Strikes what a field holds, where it stands as a word of its own; a MAC within one too."""
    words = sorted((value for value in withheld if len(value) >= _LEAST), key=len, reverse=True)
    return _striking([_mac(word) or rf"(?<!\w){re.escape(word)}(?!\w)" for word in words])


def _mac(value: str) -> str | None:
    """However it is written: 00:1b:a9:… 00-1B-A9-… 001b.a9… or BRN001BA9…"""
    return "[:.-]?".join(value.split(":")) if MAC.fullmatch(value) else None


def _striking(patterns: Iterable[str]) -> Strike:
    pattern = "|".join(patterns)
    if not pattern:
        return lambda text: text
    found = re.compile(pattern, re.IGNORECASE)
    return lambda text: found.sub(_HIDDEN, text)[:_LONGEST]


def struck(message: P, strike: Strike) -> P:
    """The message with its texts as `strike` leaves them."""
    fields = _struck(message, _TEXTS.get(type(message), ()), strike)
    if isinstance(message, MeterRead):
        fields |= {
            "status": message.status.model_copy(update=_struck(message.status, _OF_STATUS, strike)),
            "alerts": [
                each.model_copy(update=_struck(each, ("description",), strike))
                for each in message.alerts
            ],
            "supplies": [
                each.model_copy(update=_struck(each, _OF_SUPPLIES, strike))
                for each in message.supplies
            ],
        }
    return message.model_copy(update=fields)


def identity_struck(device: DeviceIdentity, strike: Strike) -> DeviceIdentity:
    """What people wrote into a device. What tells it from others is left whole or not at all."""
    return device.model_copy(update=_struck(device, _OF_DEVICE, strike))


def _struck(part: Part, names: Iterable[str], strike: Strike) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in names:
        text = getattr(part, name)
        fields[name] = [strike(line) for line in text] if isinstance(text, list) else text
        if isinstance(text, str):
            fields[name] = strike(text)
    return fields
