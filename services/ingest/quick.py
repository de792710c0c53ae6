"""A meter.read.v1 read by msgspec: four times as fast as by pydantic, where no doubt is left."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, MsgspecError, Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple
from pydantic import TypeAdapter

from services.ingest.quick_types import made_of, rules_of, struct_of
from shared.message import MAX_MESSAGE_BYTES, Part
from shared.messages import DeviceIdentity, MeterRead, ReportedTarget

_LONGEST_REMEMBERED = 4_096

_Wire, _CHECKS = struct_of(MeterRead, raw=("target", "sources"))
_RULES = rules_of(MeterRead)
_SOURCES_MADE = made_of(MeterRead.model_fields["sources"].rebuild_annotation())
_READ, _SOURCES, _ENCODER = Decoder(_Wire), Decoder(_SOURCES_MADE.type), Encoder()
_TARGET: TypeAdapter[ReportedTarget] = TypeAdapter(ReportedTarget)
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_SNMP = re.compile(rb'\{"snmp":"(%s(?:\.%s){3})","port":([1-9][0-9]{0,4})\}' % (_OCTET, _OCTET))
_MAX_PORT = 65_535


class QuickTarget(Struct, frozen=True, gc=False):
    """An SnmpTarget, as far as the hub asks for it."""

    key: str


class QuickRead(Struct, frozen=True, gc=False):
    """What the hub's rows say of a MeterRead, under the same names."""

    routing_key: ClassVar[str] = MeterRead.routing_key

    id: UUID
    target: QuickTarget | ReportedTarget
    order: UUID
    round: UUID
    site: str | None
    agent: str
    taken_at: datetime
    device: DeviceIdentity  # a struct with its fields
    profile: str
    meters: dict[str, int]
    no_meters_because: str | None
    sources: dict[str, list[str]]  # one for all reads whose meters came from the same rows
    basis: Literal["life", "equivalent"] | None
    large_counts: Literal[1, 2] | None
    units: dict[str, str]


_kept = attrgetter(*QuickRead.__struct_fields__[2:])


def decode_quickly(body: bytes) -> QuickRead | None:
    """The read that `body` is, or None where pydantic must say what it is or what is wrong with it.

    A body is taken only if it is, octet for octet, what msgspec writes of what it read there: so
    no key was twice, no number or instant was spelled in another way, and all of it was looked at.
    """
    if len(body) > MAX_MESSAGE_BYTES or (b"\\" in body and rb"\u0000" in body):
        return None
    try:
        return _read(body)
    except (MsgspecError, ValueError, RecursionError):
        return None


def _read(body: bytes) -> QuickRead | None:
    """Raises: MsgspecError, ValueError, RecursionError."""
    wire: Any = _READ.decode(body)
    if _ENCODER.encode(wire) != body or wire.taken_at.tzinfo is not UTC:
        return None
    for name, pattern, texts in _CHECKS:
        value = getattr(wire, name)
        if (value or value == "") and not pattern.fits(texts(value)):
            return None
    for rule in _RULES:
        rule(wire)
    target = _target(bytes(wire.target))
    if wire.sources is not UNSET:
        raw = bytes(wire.sources)
        wire.sources = _sources(raw) if len(raw) <= _LONGEST_REMEMBERED else _sources_anew(raw)
    if target is None or wire.sources is None:
        return None
    _fill(wire, MeterRead)
    _fill(wire.device, DeviceIdentity)
    return QuickRead(_id(wire.order), target, *_kept(wire))


def _target(raw: bytes) -> QuickTarget | ReportedTarget | None:
    """None where it is not spelled as we do."""
    snmp = _SNMP.fullmatch(raw)
    if snmp and int(snmp[2]) <= _MAX_PORT:
        return QuickTarget(f"snmp:[{snmp[1].decode()}]:{snmp[2].decode()}")
    target = _TARGET.validate_json(raw)
    return target if _TARGET.dump_json(target, exclude_unset=True) == raw else None


def _sources_anew(raw: bytes) -> dict[str, list[str]] | None:
    """None where a key is twice, a name or an OID is none, or it is not spelled as we do."""
    sources: dict[str, list[str]] = _SOURCES.decode(raw)
    if _ENCODER.encode(sources) != raw:
        return None
    return sources if _SOURCES_MADE.fits(sources) else None


_sources = lru_cache(maxsize=256)(_sources_anew)  # they are the same for all devices of a model


def _fill(part: Any, kind: type[Part]) -> None:  # noqa: ANN401
    """Give the fields that `part` was not told the values that they have in `kind`."""
    if UNSET in astuple(part):
        for name, field in kind.model_fields.items():
            if getattr(part, name) is UNSET:
                setattr(part, name, field.get_default())


def _id(order: UUID) -> UUID:
    """uuid5(order, "read"), in half its time."""
    digest = hashlib.sha1(order.bytes + b"read", usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)
