"""What a site does not let out is taken from a message before it is stored; pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from shared.message import Message, Part
from shared.messages import (
    DeviceEvent,
    DeviceIdentity,
    IppTarget,
    MeterRead,
    NoCredential,
    NotReached,
    Order,
    ReadFailed,
    ReportedTarget,
    RoundFinished,
    SilentDevice,
    SnmpTarget,
    SpooledTarget,
    WithheldTarget,
)

_HIDDEN = "(withheld)"
_LONGEST = 1024  # shared.messages.Text
# RFC 1213, RFC 3805: the rows that a read's own fields come from
_ROWS: Mapping[str, tuple[str, ...]] = {
    "description": ("1.3.6.1.2.1.1.1.",),
    "hostname": ("1.3.6.1.2.1.1.5.",),
    "location": ("1.3.6.1.2.1.1.6.",),
    "mac": ("1.3.6.1.2.1.2.2.1.6.",),
    "address": ("1.3.6.1.2.1.4.20.",),
    "serial": ("1.3.6.1.2.1.43.5.1.1.17.",),
}
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {  # of IPP
    "serial": ("printer-serial-number", "printer-device-id"),
}
# IPv4, but no part of a longer OID, and IPv6
_ADDRESS = (
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)"
    r"|(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])"
)
_OF_EVENTS: Mapping[str, tuple[str, ...]] = {
    "serial": ("serial", "serial_before"),
    "mac": ("mac",),
}
P = TypeVar("P", bound=Part)
Named = TypeVar("Named", Order, SilentDevice, NoCredential, DeviceEvent)


def unknown_fields(withheld: Iterable[str]) -> list[str]:
    """Of the fields named, those that no read has."""
    return sorted(set(withheld) - set(DeviceIdentity.model_fields))


def withhold(message: Message, withheld: frozenset[str], salt: str) -> Message:
    """The message without the fields of a read that `withheld` names.

    With "address" the target goes too: a word takes its place that is the same for the same target
    as long as the salt is, and the address is struck from every reason. SegmentsListed stays as it
    is: without its networks nobody at the hub could choose one.
    """
    if not withheld:
        return message
    if isinstance(message, MeterRead):
        message = _read(message, withheld)
    if isinstance(message, RoundFinished):
        message = _without_traits(message, withheld)
    if "address" not in withheld:
        return message
    if isinstance(message, MeterRead | ReadFailed):
        hidden = message.model_copy(update={"target": _word(message.target, salt)})
        return _struck(hidden, _places(message.target))
    if isinstance(message, RoundFinished):
        return _round(message, salt)
    return message


def _without_traits(finished: RoundFinished, withheld: frozenset[str]) -> RoundFinished:
    """The round without what tells its devices, where that does not leave the site."""
    hidden = {name: None for field in withheld for name in _OF_EVENTS.get(field, ())}
    of_silent = {"serial": None} if "serial" in withheld else {}
    return finished.model_copy(
        update={
            "events": [each.model_copy(update=hidden) for each in finished.events],
            "silent": [each.model_copy(update=of_silent) for each in finished.silent],
        }
    )


def _round(finished: RoundFinished, salt: str) -> RoundFinished:
    def worded(each: Named) -> Named:
        return each.model_copy(update={"target": _word(each.target, salt)})

    return finished.model_copy(
        update={
            "orders": [worded(each) for each in finished.orders],
            "silent": [worded(each) for each in finished.silent],
            "not_reached": [
                NotReached(
                    target=_text(each.target, salt),
                    reason=_without_places(each.reason, [each.target]),
                )
                for each in finished.not_reached
            ],
            "no_credential": [
                _struck(worded(each), _places(each.target)) for each in finished.no_credential
            ],
            "events": [
                worded(each).model_copy(
                    update={"before": _word(each.before, salt) if each.before else None}
                )
                for each in finished.events
            ],
        }
    )


def _read(read: MeterRead, withheld: frozenset[str]) -> MeterRead:
    values = {getattr(read.device, field) for field in withheld} - {None, ""}
    spellings = {spelling for value in values for spelling in _spellings(value)}
    rows = tuple(row for field in withheld for row in _ROWS.get(field, ()))
    named = {name for field in withheld for name in _ATTRIBUTES.get(field, ())}
    return read.model_copy(
        update={
            "device": read.device.model_copy(update=dict.fromkeys(withheld)),
            "varbinds": {
                oid: varbind
                for oid, varbind in read.varbinds.items()
                if not oid.startswith(rows)
                and not (isinstance(varbind[1], str) and varbind[1] in spellings)
            },
            "attributes": {
                name: (syntax, value)
                for name, (syntax, value) in read.attributes.items()
                if name not in named
                and not (isinstance(value, str) and any(one in value for one in spellings))
            },
        }
    )


def _spellings(value: str) -> tuple[str, ...]:
    """How a varbind may hold a field's value: as text, as its octets in hex, as a MAC in hex."""
    return (value, value.encode().hex(), value.replace(":", "").lower())


def _struck(message: P, places: Iterable[str]) -> P:
    """The message with where its target is struck from the texts that are made for people."""

    def strike(text: str) -> str:
        return _without_places(text, places)

    fields: dict[str, Any] = {}
    if isinstance(message, ReadFailed):
        fields = {"reason": strike(message.reason), "tried": [strike(t) for t in message.tried]}
    elif isinstance(message, NoCredential):
        fields = {"reason": strike(message.reason)}
    elif isinstance(message, MeterRead):
        fields = {"notes": [strike(note) for note in message.notes]}
        if message.no_meters_because:
            fields["no_meters_because"] = strike(message.no_meters_because)
    return message.model_copy(update=fields)


def _without_places(text: str, places: Iterable[str]) -> str:
    """The longest first, as one may be within another; and whatever looks like an address."""
    named = sorted((re.escape(place) for place in places if place), key=len, reverse=True)
    words = "|".join([*named, _ADDRESS])
    return re.sub(words, _HIDDEN, text)[:_LONGEST]


def _places(target: ReportedTarget) -> tuple[str, ...]:
    if isinstance(target, SnmpTarget):
        return (target.snmp,)
    if isinstance(target, IppTarget):
        host = urlsplit(target.ipp).hostname
        return (target.ipp, host) if host else (target.ipp,)
    if isinstance(target, SpooledTarget):
        return (target.spooled.port_name, target.spooled.host)
    return ()


def _word(target: ReportedTarget, salt: str) -> WithheldTarget:
    return WithheldTarget(withheld=_text(target.key, salt))


def _text(key: str, salt: str) -> str:
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()[:16]
