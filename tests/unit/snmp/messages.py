"""Generated SNMP messages, for the codec's tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hypothesis import strategies as st

from shared.snmp.port import Value, Varbind
from shared.snmp.wire import GET, GETBULK, GETNEXT, RESPONSE, V1, V2C, SnmpMessage


def _numbers(octets: bytes) -> Iterator[int]:
    """As many as the octets hold: each a width of 0 to 4, and so many octets."""
    at = 0
    while at < len(octets):
        width = octets[at] % 5
        yield int.from_bytes(octets[at + 1 : at + 1 + width], "big")
        at += 1 + width


def _oid(octets: bytes) -> str:
    first, second = divmod(octets[0] % 120, 40)
    return ".".join(map(str, (first, second, *_numbers(octets[1:]))))


# out of one draw each, which takes a third of the time of a list of integers
oids = st.binary(min_size=1, max_size=60).map(_oid)

_unsigned_32 = st.integers(0, 2**32 - 1)
_values: dict[str, st.SearchStrategy[Value]] = {
    "Integer32": st.integers(-(2**31), 2**31 - 1),
    "OctetString": st.binary(max_size=300),
    "Null": st.none(),
    "ObjectIdentifier": oids,
    "IpAddress": st.binary(min_size=4, max_size=4).map(lambda octets: ".".join(map(str, octets))),
    "Counter32": _unsigned_32,
    "Gauge32": _unsigned_32,
    "TimeTicks": _unsigned_32,
    "Opaque": st.binary(max_size=40),
}
_V2_VALUES: dict[str, st.SearchStrategy[Value]] = _values | {
    "Counter64": st.integers(0, 2**64 - 1),
    "noSuchObject": st.none(),
    "noSuchInstance": st.none(),
    "endOfMibView": st.none(),
}


def _varbinds(version: int) -> st.SearchStrategy[Varbind]:
    values = _values if version == V1 else _V2_VALUES
    typed = st.one_of([value.map(partial(_typed, kind)) for kind, value in values.items()])
    return st.tuples(oids, typed).map(lambda drawn: Varbind(drawn[0], *drawn[1]))


def _typed(kind: str, value: Value) -> tuple[str, Value]:
    return kind, value


def _of_version(version: int) -> st.SearchStrategy[SnmpMessage]:
    pdus = [GET, GETNEXT, RESPONSE] if version == V1 else [GET, GETNEXT, RESPONSE, GETBULK]
    return st.builds(
        SnmpMessage,
        version=st.just(version),
        community=st.binary(max_size=40),
        pdu=st.sampled_from(pdus),
        request_id=st.integers(0, 2**31 - 1),
        error_status=st.integers(0, 5 if version == V1 else 18),
        error_index=st.integers(0, 2**31 - 1),
        varbinds=st.lists(_varbinds(version), max_size=3),
    )


messages = st.one_of(_of_version(V1), _of_version(V2C))
