"""Octets to messages: in one pass for what nearly all agents send, else by strict.py.

Either way nothing is let pass that is not sound, and nothing may be left over.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError  # noqa: N812  (it is a class)
from typing import Final

from shared.snmp.message import OCTETS, SEQUENCE, V2C, VALUELESS, SnmpMessage, WireError
from shared.snmp.port import Value, Varbind
from shared.snmp.strict import (
    PDUS,
    decode_oid,
    enter,
    read_head,
    read_integer,
    read_value,
    read_varbind,
)

_begin: Final = Struct(">HBBB").unpack_from  # a version of one octet, a community's length in one
_numbers: Final = Struct(">HIHBHB").unpack_from  # an id of four octets, two fields of one
_request_id: Final = Struct(">HI").unpack_from

# by the octet after a tag: how far behind the tag the content begins, 0 for unusual lengths
_PAST_LENGTH: Final = (*[2] * 0x80, 0, 3, 4, *[0] * 0x7D)

_Read = Callable[[bytes, int], tuple[int, ...]]
_SIGNED: Final[dict[int, _Read]] = {
    1: Struct(">xb").unpack_from,
    2: Struct(">xh").unpack_from,
    4: Struct(">xi").unpack_from,
}
_UNSIGNED: Final[dict[int, _Read]] = {
    1: Struct(">xB").unpack_from,
    2: Struct(">xH").unpack_from,
    3: Struct(">I").unpack_from,  # the octet before the three says 3, and is masked
    4: Struct(">xI").unpack_from,
}

# What the octets of a varbind up to its value's content say, once they were read strictly: OID,
# type, size of the content, how a number is read from the octet before it (None: it is no number),
# and the greatest number of that size whose sign bit is clear (0: any number will do). Of what is
# no number it says _OCTETS, _NOTHING or _OID.
_Shape = tuple[str, str, int, _Read | None, int]
_shapes: Final[dict[bytes, _Shape]] = {}
_OCTETS: Final = 0
_NOTHING: Final = 1
_OID: Final = 2
_NUMBERS: Final = frozenset({"Integer32", "Counter32", "Gauge32", "TimeTicks"})
_UNUSUAL: Final = (0, 0, 0)
_MAX_SHAPES: Final = 8192  # then they are learnt afresh: a stranger's cost us one miss each

# Whole short varbinds, as they were read: devices say the same of themselves again and again, and
# so do those of a model. Greater numbers are left out: counts and levels are each device's own.
_said: Final[dict[bytes, Varbind]] = {}
_MAX_SAID: Final = 16_384


def decode(datagram: bytes) -> SnmpMessage:
    """The message that a whole datagram is.

    Raises:
        WireError: anything else than a GET, GETNEXT, GETBULK or response of v1 or v2c.
    """
    end = len(datagram)
    begin, stop, at = _usual_head(datagram, end)
    if at:
        version, community, pdu = datagram[begin - 3], datagram[begin:stop], datagram[stop]
        tag, request_id, status_tag, status, index_tag, index = _numbers(datagram, at)
    else:
        version, community, pdu, at = read_head(datagram)
        tag = status_tag = index_tag = request_id = status = index = 0
    if (
        tag == 0x0204
        and status_tag == index_tag == 0x0201
        and request_id < 2**31
        and status < 0x80
        and index < 0x80
    ):
        at += 12
    else:
        request_id, at = read_integer(datagram, at, end)
        status, at = read_integer(datagram, at, end)
        index, at = read_integer(datagram, at, end)
    start = _usual_content(datagram, at, end)
    if not start or datagram[at] != SEQUENCE:
        start, stop = enter(datagram, at, end, SEQUENCE)
        if stop != end:
            raise WireError(f"{end - stop} octets after the variable bindings")
    varbinds = _read_varbinds(datagram, start, end)
    new: Callable[..., SnmpMessage] = tuple.__new__
    return new(SnmpMessage, (version, community, pdu, request_id, status, index, varbinds))


def request_id_of(datagram: bytes) -> int:
    """The request id of a datagram whose rest may still be anything.

    In the usual form the id is looked up where it must be; `decode` tells whether all is right.
    Raises: WireError.
    """
    try:
        at = _PAST_LENGTH[datagram[1]]
        version_tag, _, community_tag, size = _begin(datagram, at)
        at += 5 + size
        at += _PAST_LENGTH[datagram[at + 1]]
        tag, request_id = _request_id(datagram, at)
    except (IndexError, StructError):
        tag = version_tag = community_tag = size = request_id = 0
    if (
        tag == 0x0204
        and version_tag == 0x0201
        and community_tag == OCTETS
        and size < 0x80
        and request_id < 2**31
    ):
        return int(request_id)
    *_, at = read_head(datagram)
    return read_integer(datagram, at, len(datagram))[0]


def _usual_head(octets: bytes, end: int) -> tuple[int, int, int]:
    """Where the community begins and ends and the request id is, as nearly all agents send them.

    At least 14 octets are left from there, as many as an id of four octets needs. Zeros for a
    head that `read_head` must read.
    """
    at = _usual_content(octets, 0, end)
    if not at:
        return _UNUSUAL
    version_tag, version, community_tag, size = _begin(octets, at)
    begin = at + 5
    stop = begin + size
    if (
        version_tag != 0x0201
        or version > V2C
        or community_tag != OCTETS
        or size >= 0x80
        or octets[0] != SEQUENCE
        or stop + 18 > end
        or octets[stop] not in PDUS
    ):
        return _UNUSUAL
    at = _usual_content(octets, stop, end)
    return (begin, stop, at) if at else _UNUSUAL


def _usual_content(octets: bytes, at: int, end: int) -> int:
    """Where the content of the value at `at` begins, if it ends with the datagram, at `end`.

    0 where it does not, where its length stands in more than two octets, and for short messages.
    """
    if at + 18 > end:
        return 0
    length = octets[at + 1]
    if length < 0x80:
        at += 2
    elif length == 0x82:
        length = octets[at + 2] << 8 | octets[at + 3]
        at += 4
    elif length == 0x81:
        length = octets[at + 2]
        at += 3
    else:
        return 0
    return at if at + length == end else 0


def _read_varbinds(octets: bytes, at: int, end: int) -> list[Varbind]:
    found: list[Varbind] = []
    said, shape_of = _said.get, _shapes.get
    new: Callable[..., Varbind] = tuple.__new__  # a third of the time of Varbind(…)
    try:
        while at < end:
            begin = at
            at += 2 + octets[at + 1]
            varbind = said(octets[begin:at])
            if varbind is not None:
                found.append(varbind)
                continue
            start = begin + 6 + octets[begin + 3]  # past a short OID and a short length
            shape = shape_of(octets[begin:start])
            if shape is None and octets[begin + 1] == 0x82:
                start = begin + 8 + octets[begin + 5]
                shape = shape_of(octets[begin:start])
            if shape is None:
                varbind, at = _learn_varbind(octets, begin, end)
                found.append(varbind)
                continue
            oid, kind, size, number, _ = shape
            at = start + size
            if at > end:
                raise WireError(f"{oid}: says {size} octets where {end - start} are left")
            varbind = new(Varbind, (oid, kind, _read_content(octets, start, at, shape)))
            found.append(varbind)
            if (number is None or size == 1) and octets[begin + 1] < 0x80:
                if len(_said) >= _MAX_SAID:
                    _said.clear()
                _said[octets[begin:at]] = varbind
    except IndexError:
        raise WireError(f"octet {at}: cut short") from None
    return found


def _read_content(octets: bytes, start: int, stop: int, shape: _Shape) -> Value:
    oid, kind, _, read, limit = shape
    if read is None:
        if limit == _OCTETS:
            return octets[start:stop]
        return None if limit == _NOTHING else decode_oid(octets[start:stop])
    (value,) = read(octets, start - 1)
    if limit:
        value &= 0xFFFFFF
        if value > limit:
            return read_value(oid, kind, octets[start:stop])
    return value


def _learn_varbind(octets: bytes, at: int, end: int) -> tuple[Varbind, int]:
    """The varbind at `at`, and where it ends; its shape is remembered."""
    varbind, start, stop = read_varbind(octets, at, end)
    oid, kind, _ = varbind
    size = stop - start
    read: _Read | None = None
    limit = 0
    if kind in VALUELESS:
        limit = _NOTHING
    elif kind == "ObjectIdentifier":
        limit = _OID
    elif kind == "Integer32" and size in _SIGNED:
        read = _SIGNED[size]
    elif kind in _NUMBERS and size in _UNSIGNED:
        read = _UNSIGNED[size]
        limit = 0 if size == 4 else (1 << 8 * size - 1) - 1
    elif kind not in {"OctetString", "Opaque"}:
        return varbind, stop
    if start in {at + 6 + octets[at + 3], at + 8 + octets[at + 5]}:
        if len(_shapes) >= _MAX_SHAPES:
            _shapes.clear()
        _shapes[octets[at:start]] = oid, kind, size, read, limit
    return varbind, stop
