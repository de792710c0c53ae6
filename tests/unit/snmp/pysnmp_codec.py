"""pysnmp's codec in our words: the oracle of our own."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ
from pysnmp.proto import api, rfc1905

from shared.snmp.port import Value, Varbind
from shared.snmp.wire import GET, GETBULK, GETNEXT, V2C, SnmpMessage

_EXCEPTIONS = {
    "noSuchObject": rfc1905.noSuchObject,
    "noSuchInstance": rfc1905.noSuchInstance,
    "endOfMibView": rfc1905.endOfMibView,
}
_NAMES = {
    "Integer": "Integer32",
    "Integer32": "Integer32",
    "OctetString": "OctetString",
    "ObjectIdentifier": "ObjectIdentifier",
    "Null": "Null",
    "IpAddress": "IpAddress",
    "NetworkAddress": "IpAddress",
    "Counter": "Counter32",
    "Counter32": "Counter32",
    "Gauge": "Gauge32",
    "Gauge32": "Gauge32",
    "Unsigned32": "Gauge32",
    "TimeTicks": "TimeTicks",
    "Opaque": "Opaque",
    "Counter64": "Counter64",
    "NoSuchObject": "noSuchObject",
    "NoSuchInstance": "noSuchInstance",
    "EndOfMibView": "endOfMibView",
}


def _module(version: int) -> Any:
    return api.PROTOCOL_MODULES[api.SNMP_VERSION_2C if version == V2C else api.SNMP_VERSION_1]


def decode_with_pysnmp(datagram: bytes) -> SnmpMessage:
    version = int(api.decodeMessageVersion(datagram))
    module = _module(version)
    message, rest = decoder.decode(datagram, asn1Spec=module.Message())
    assert not rest
    pdu = module.apiMessage.get_pdu(message)
    tag = pdu.tagSet.superTags[-1]
    varbinds = [Varbind(str(oid), *_ours(value)) for oid, value in _pairs(pdu, version, module)]
    return SnmpMessage(
        version=version,
        community=bytes(module.apiMessage.get_community(message)),
        pdu=tag.tagClass | tag.tagFormat | tag.tagId,
        request_id=int(pdu[0]),
        error_status=int(pdu[1]),
        error_index=int(pdu[2]),
        varbinds=varbinds,
    )


def _pairs(pdu: Any, version: int, module: Any) -> list[tuple[Any, Any]]:
    if version == V2C:
        return [(row[0], row[1]) for row in pdu[3]]
    return [module.apiVarBind.get_oid_value(row) for row in pdu[3]]


def _ours(value: Any) -> tuple[str, Value]:
    while isinstance(value, univ.Choice):
        value = value.getComponent()
    kind = _NAMES[type(value).__name__]
    if kind in {"Null", *_EXCEPTIONS}:
        return kind, None
    if kind == "ObjectIdentifier":
        return kind, str(value)
    if kind == "IpAddress":
        return kind, ".".join(map(str, bytes(value)))
    if kind in {"OctetString", "Opaque"}:
        return kind, bytes(value)
    return kind, int(value)


def encode_with_pysnmp(message: SnmpMessage) -> bytes:
    module = _module(message.version)
    pdu = {
        GET: module.GetRequestPDU,
        GETNEXT: module.GetNextRequestPDU,
        GETBULK: getattr(module, "GetBulkRequestPDU", None),
    }.get(message.pdu, module.GetResponsePDU)()
    bulk = message.pdu == GETBULK
    (module.apiBulkPDU if bulk else module.apiPDU).set_defaults(pdu)
    pdu[0], pdu[1], pdu[2] = message.request_id, message.error_status, message.error_index
    module.apiPDU.set_varbinds(
        pdu, [(varbind.oid, _theirs(module, varbind)) for varbind in message.varbinds]
    )
    whole = module.Message()
    module.apiMessage.set_defaults(whole)
    module.apiMessage.set_community(whole, message.community)
    module.apiMessage.set_pdu(whole, pdu)
    return bytes(encoder.encode(whole))


def _theirs(module: Any, varbind: Varbind) -> Any:
    _, kind, value = varbind
    if kind in _EXCEPTIONS:
        return _EXCEPTIONS[kind]
    if kind == "Null":
        return module.Null("")
    older = {"Integer32": "Integer", "Counter32": "Counter", "Gauge32": "Gauge"}
    name = kind if hasattr(module, kind) else older[kind]
    return getattr(module, name)(value)
