"""Generated SNMP messages, for the codec's tests."""

from __future__ import annotations

from hypothesis import strategies as st

from shared.snmp.port import Value, Varbind
from shared.snmp.wire import GET, GETBULK, GETNEXT, RESPONSE, V1, V2C, SnmpMessage

_number = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
oids = st.builds(
    lambda first, second, rest: ".".join(map(str, [first, second, *rest])),
    st.integers(0, 2),
    st.integers(0, 39),
    st.lists(_number, max_size=20),
)
_unsigned_32 = st.integers(0, 2**32 - 1)
_values: dict[str, st.SearchStrategy[Value]] = {
    "Integer32": st.integers(-(2**31), 2**31 - 1),
    "OctetString": st.binary(max_size=300),
    "Null": st.none(),
    "ObjectIdentifier": oids,
    "IpAddress": st.ip_addresses(v=4).map(str),
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
    return st.one_of(
        [st.builds(Varbind, oids, st.just(kind), value) for kind, value in values.items()]
    )


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
        varbinds=st.lists(_varbinds(version), max_size=5),
    )


messages = st.one_of(_of_version(V1), _of_version(V2C))
