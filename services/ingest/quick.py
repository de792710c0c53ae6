"""A meter.read.v1 read by msgspec: four times as fast as by pydantic, where no doubt is left."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Literal, TypeVar
from uuid import UUID

from msgspec import UNSET, MsgspecError, Raw, Struct, convert
from msgspec.json import Decoder, Encoder
from pydantic import TypeAdapter

from services.ingest.quick_types import made_of, rules_of, struct_of
from shared.message import MAX_MESSAGE_BYTES, Part
from shared.messages import DeviceIdentity, MeterRead, ReportedTarget
from shared.store.reports import sources_id

_T = TypeVar("_T")
_DEVICES, _MODELS = 16_384, 256  # that are remembered

_Wire, _CHECKS = struct_of(MeterRead, raw=("target", "device", "sources"))
_RULES = rules_of(MeterRead)
_DEVICE_MADE = made_of(DeviceIdentity)
_SOURCES_MADE = made_of(MeterRead.model_fields["sources"].rebuild_annotation())
_READ, _ENCODER = Decoder(_Wire), Encoder()
_DEVICE, _SOURCES = Decoder(_DEVICE_MADE.type), Decoder(_SOURCES_MADE.type)
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
    device: DeviceIdentity  # a struct with its fields; one for all reads that show it
    sources_id: UUID  # of what MeterRead has as `sources`
    order: UUID
    round: UUID
    site: str | None
    agent: str
    taken_at: datetime
    profile: str
    meters: dict[str, int]
    no_meters_because: str | None
    basis: Literal["life", "equivalent"] | None
    large_counts: Literal[1, 2] | None
    units: dict[str, str]


_kept = attrgetter(*QuickRead.__struct_fields__[4:])


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
    target, device = _target(wire.target), _device(wire.device)
    sources = _sources(b"{}" if wire.sources is UNSET else wire.sources)
    if target is None or device is None or sources is None:
        return None
    kept = _kept(wire)
    if UNSET in kept:
        kept = _kept(_filled(wire, MeterRead))
    return QuickRead(_id(wire.order), target, device, sources, *kept)


def _remembering(
    most: int, longest: int
) -> Callable[[Callable[[bytes], _T]], Callable[[Raw | bytes], _T]]:
    """Of up to `most` texts of up to `longest` octets each, what came of them.

    Devices, targets and sources are spelled the same in read after read.
    """

    def remembering(read: Callable[[bytes], _T]) -> Callable[[Raw | bytes], _T]:
        known = lru_cache(maxsize=most)(read)

        def recalled(raw: Raw | bytes) -> _T:
            octets = bytes(raw)
            return known(octets) if len(octets) <= longest else read(octets)

        return recalled

    return remembering


@_remembering(_DEVICES, 64)
def _target(raw: bytes) -> QuickTarget | ReportedTarget | None:
    """None where it is not spelled as we do."""
    snmp = _SNMP.fullmatch(raw)
    if snmp and int(snmp[2]) <= _MAX_PORT:
        return QuickTarget(f"snmp:[{snmp[1].decode()}]:{snmp[2].decode()}")
    target = _TARGET.validate_json(raw)
    return target if _TARGET.dump_json(target, exclude_unset=True) == raw else None


@_remembering(_DEVICES, 1_024)
def _device(raw: bytes) -> DeviceIdentity | None:
    """None where a key is twice, or it is not spelled as we do."""
    device: Any = _DEVICE.decode(raw)
    if _ENCODER.encode(device) != raw or not _DEVICE_MADE.fits(device):
        return None
    filled: DeviceIdentity = _filled(device, DeviceIdentity)
    return filled


@_remembering(_MODELS, 4_096)
def _sources(raw: bytes) -> UUID | None:
    """None where a key is twice, a name or an OID is none, or it is not spelled as we do."""
    sources: dict[str, list[str]] = _SOURCES.decode(raw)
    if _ENCODER.encode(sources) != raw or not _SOURCES_MADE.fits(sources):
        return None
    return sources_id(sources)


def _filled(part: Any, kind: type[Part]) -> Any:  # noqa: ANN401
    """`part` with the values that fields which it was not told have in `kind`."""
    for name, field in kind.model_fields.items():
        if getattr(part, name) is UNSET:
            setattr(part, name, field.get_default())
    return part


def _id(order: UUID) -> UUID:
    """uuid5(order, "read"), in a third of its time."""
    octets = bytearray(hashlib.sha1(order.bytes + b"read", usedforsecurity=False).digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x50  # the version, and below the variant: RFC 9562, 4
    octets[8] = octets[8] & 0x3F | 0x80
    return convert(bytes(octets), UUID)
