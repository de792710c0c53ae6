"""A walk without what it says of the device's owner.

The same secret has the same stand-in wherever it occurs: in text of either case, in hex, UTF-16,
as octets, and as the arcs of an index. What stands in is drawn anew for each recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from services.poller.hidden import Hidden, Secrets
from services.poller.mib import HR_DEVICE_DESCR, SYS_OBJECT_ID
from services.poller.private_rows import (
    COMMUNITY,
    IP,
    MAC,
    NAME,
    SERIAL,
    PrivateRows,
    left_out,
)
from services.poller.private_words import is_address, told_by_form
from services.poller.text import mac_or_none
from shared.snmp.oids import order
from shared.snmp.port import Varbind

_WHOLE = {NAME, SERIAL, COMMUNITY}  # replaced where they are expected, whatever they say
_MODEL = re.compile(r"(?:MFG|MANUFACTURER|MDL|MODEL|DES):([^;]{3,80})")  # of an IEEE 1284 ID
_MOST_MODELS = 100
_PRINTABLE = re.compile(r"[!-~][ -~]{2,}")


class Redacted(NamedTuple):
    rows: list[Varbind]  # in the order of their OIDs
    hidden: list[Hidden]  # each that was found


def redact(
    rows: Iterable[Varbind],
    places: PrivateRows,
    dice: Random,
    said: Iterable[tuple[str, str]] = (),
) -> Redacted:
    """`said` are secrets that are known before, kind and text: how the device was asked."""
    kept = [row for row in rows if left_out(row.oid) is None]
    secrets = Secrets(dice, [*places.makes, *islice(_models(kept), _MOST_MODELS)])
    for kind, text in (*said, *(each for row in kept for each in _told_by(row, places))):
        secrets.note(kind, text)
    secrets.settle()
    written = {row.oid: row for row in (_written(row, places, secrets) for row in kept)}
    hidden = [each for each in secrets.hidden if each.places]
    return Redacted(sorted(written.values(), key=lambda row: order(row.oid)), hidden)


def text_of(row: Varbind) -> str:
    """Its octets as Latin-1, which keeps each; "" of what has none."""
    return row.value.decode("latin-1") if isinstance(row.value, bytes) else ""


def _models(rows: Iterable[Varbind]) -> Iterator[str]:
    """What the device calls itself."""
    for row in rows:
        if row.oid.startswith(f"{HR_DEVICE_DESCR}."):
            yield text_of(row)
        else:
            yield from _MODEL.findall(text_of(row))


def _told_by(row: Varbind, places: PrivateRows) -> Iterator[tuple[str, str]]:
    if row.type == "IpAddress" and isinstance(row.value, str) and is_address(row.value):
        yield IP, row.value
    if not isinstance(row.value, bytes):
        return
    text = text_of(row)
    kind = places.kind(row.oid)
    mac = mac_or_none(row.value)
    named = places.is_named(row.oid)
    # six octets that begin with 0, or that a profile reads, may be a count
    if mac and (kind == MAC or (any(row.value[:3]) and not text.isprintable() and not named)):
        yield MAC, mac
    elif kind == SERIAL:
        yield from ((SERIAL, run) for run in _PRINTABLE.findall(text))
    elif kind and kind != MAC:
        yield kind, text
    yield from places.within(row.oid, text)
    yield from told_by_form(text)


def _written(row: Varbind, places: PrivateRows, secrets: Secrets) -> Varbind:
    """The row as it is in the recording; what was replaced is noted with its place."""
    kind = None if row.oid == SYS_OBJECT_ID else places.kind(row.oid)
    oid, found = secrets.in_oid(row.oid, may_hold_ip=not places.is_named(row.oid))
    for number in found:
        secrets.hidden[number].places.append(f"index of {oid}")
    value = row.value
    if isinstance(value, bytes):
        text = text_of(row)
        whole = secrets.whole(text) if kind in _WHOLE else None
        replaced, found = whole or secrets.in_octets(text)
        value = replaced.encode("latin-1")
    elif row.type == "IpAddress" and isinstance(value, str):
        value, found = secrets.in_address(value)
    elif row.type in {"Integer32", "Gauge32"} and isinstance(value, int):
        value, found = secrets.in_number(value)
    elif isinstance(value, str) and row.oid != SYS_OBJECT_ID:
        value, found = secrets.in_oid(value, may_hold_ip=not places.is_named(value))
    else:
        found = []
    for number in found:
        secrets.hidden[number].places.append(oid)
    return Varbind(oid, row.type, value)
