"""The codec of SNMP v1 and v2c, as the rest of Pagetally imports it."""

from __future__ import annotations

from shared.snmp.decoder import decode, request_id_of
from shared.snmp.encoder import (
    FRESH_ID_MAX,
    FRESH_ID_MIN,
    RequestTemplate,
    encode,
    encode_oid,
    encode_request,
    encode_varbind,
    fresh_id,
    request_template,
)
from shared.snmp.message import (
    GET,
    GETBULK,
    GETNEXT,
    MAX_OCTETS,
    MAX_SUBIDENTIFIERS,
    RESPONSE,
    V1,
    V2C,
    SnmpMessage,
    WireError,
    cut,
    exists,
)

__all__ = [
    "FRESH_ID_MAX",
    "FRESH_ID_MIN",
    "GET",
    "GETBULK",
    "GETNEXT",
    "MAX_OCTETS",
    "MAX_SUBIDENTIFIERS",
    "RESPONSE",
    "V1",
    "V2C",
    "RequestTemplate",
    "SnmpMessage",
    "WireError",
    "cut",
    "decode",
    "encode",
    "encode_oid",
    "encode_request",
    "encode_varbind",
    "exists",
    "fresh_id",
    "request_id_of",
    "request_template",
]
