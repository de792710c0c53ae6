"""What a site does not let out is taken from a message before it is stored; pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

from services.uploader.strike import MAC, identity_struck, places, struck, values
from shared.message import Message
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
_OF_EVENTS: Mapping[str, tuple[str, ...]] = {
    "serial": ("serial", "serial_before"),
    "mac": ("mac",),
}
_LEAST_WITHIN = 4  # octets of a value that is looked for within a row
Named = TypeVar("Named", Order, SilentDevice, NoCredential, DeviceEvent)


def unknown_fields(withheld: Iterable[str]) -> list[str]:
    """Of the fields named, those that no read has."""
    return sorted(set(withheld) - set(DeviceIdentity.model_fields))


def withhold(message: Message, withheld: frozenset[str], salt: str) -> Message:
    """The message without the fields of a read that `withheld` names.

    With "address" the target goes too: a word takes its place that is the same for the same target
    as long as the salt is, and the address is struck from every text. With "hostname" so does a
    target that is given by name. SegmentsListed stays as it is: without its networks nobody at the
    hub could choose one.
    """
    if not withheld:
        return message
    if isinstance(message, MeterRead):
        message = _read(message, withheld)
    if isinstance(message, RoundFinished):
        return _round(_without_traits(message, withheld), withheld, salt)
    if isinstance(message, MeterRead | ReadFailed) and _is_hidden(message.target, withheld):
        hidden = message.model_copy(update={"target": _word(message.target, salt)})
        return struck(hidden, places(_places(message.target), addresses="address" in withheld))
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


def _round(finished: RoundFinished, withheld: frozenset[str], salt: str) -> RoundFinished:
    addresses = "address" in withheld

    def worded(each: Named) -> Named:
        if not _is_hidden(each.target, withheld):
            return each
        return each.model_copy(update={"target": _word(each.target, salt)})

    def missed(each: NotReached) -> NotReached:
        if not addresses and not ("hostname" in withheld and _has_name(each.target)):
            return each
        reason = places([each.target], addresses=addresses)(each.reason)
        return NotReached(target=_text(each.target, salt), reason=reason)

    return finished.model_copy(
        update={
            "orders": [worded(each) for each in finished.orders],
            "silent": [worded(each) for each in finished.silent],
            "not_reached": [missed(each) for each in finished.not_reached],
            "no_credential": [
                struck(worded(each), places(_places(each.target), addresses=True))
                if _is_hidden(each.target, withheld)
                else each
                for each in finished.no_credential
            ],
            "events": [
                worded(each).model_copy(
                    update={
                        "before": _word(each.before, salt)
                        if each.before and _is_hidden(each.before, withheld)
                        else each.before
                    }
                )
                for each in finished.events
            ],
        }
    )


def _read(read: MeterRead, withheld: frozenset[str]) -> MeterRead:
    held = {getattr(read.device, field) for field in withheld} - {None, ""}
    strike = values(held)
    spellings = {spelling for value in held for spelling in _spellings(value)}
    within = [octets for value in held for octets in _octets(value) if len(octets) >= _LEAST_WITHIN]
    rows = tuple(row for field in withheld for row in _ROWS.get(field, ()))
    named = {name for field in withheld for name in _ATTRIBUTES.get(field, ())}
    counted = {oid for source in read.sources.values() for oid in source}
    kept = read.model_copy(
        update={
            "device": identity_struck(
                read.device.model_copy(update=dict.fromkeys(withheld)), strike
            ),
            "varbinds": {
                oid: varbind
                for oid, varbind in read.varbinds.items()
                if not oid.startswith(rows)
                and not (isinstance(varbind[1], str) and varbind[1] in spellings)
                and (oid in counted or not _holds(varbind[1], within))
            },
            "attributes": {
                name: (syntax, value)
                for name, (syntax, value) in read.attributes.items()
                if name not in named
                and not (isinstance(value, str) and any(one in value for one in spellings))
            },
        }
    )
    return struck(kept, strike)


def _spellings(value: str) -> tuple[str, ...]:
    """How a varbind may hold a field's value: as text, as its octets in hex, as a MAC in hex."""
    return (value, value.encode().hex(), value.replace(":", "").lower())


def _octets(value: str) -> tuple[bytes, ...]:
    """How an octet string may hold it among others: as text, as a MAC, as an address."""
    octets = [value.lower().encode()]
    if MAC.fullmatch(value):
        octets.append(bytes.fromhex(value.replace(":", "")))
    with suppress(ValueError):
        octets.append(ip_address(value).packed)
    return tuple(octets)


def _holds(varbind: object, within: Iterable[bytes]) -> bool:
    if not isinstance(varbind, str):
        return False
    try:
        octets = bytes.fromhex(varbind).lower()
    except ValueError:  # an OID
        return False
    return any(one.lower() in octets for one in within)


def _is_hidden(target: ReportedTarget, withheld: frozenset[str]) -> bool:
    if "address" in withheld:
        return not isinstance(target, WithheldTarget)
    return "hostname" in withheld and isinstance(target, IppTarget) and _has_name(target.ipp)


def _has_name(text: str) -> bool:
    """Whether it is the URL of a printer whose host is no address."""
    try:
        parts = urlsplit(text)
        if parts.scheme not in ("ipp", "ipps") or not parts.hostname:
            return False
        ip_address(parts.hostname)
    except ValueError:
        return "://" in text
    return False


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
