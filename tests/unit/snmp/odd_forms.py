"""Messages in BER that is sound and that hardly any agent sends."""

from __future__ import annotations

import random

from shared.snmp.message import INTEGER, OCTETS, OID, SEQUENCE, TAGS
from shared.snmp.port import Varbind
from shared.snmp.wire import SnmpMessage, encode_oid, encode_varbind


class OddEncoder:
    """Writes each part of a message in a form that is drawn anew."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def message(self, message: SnmpMessage) -> bytes:
        version, community, pdu, *numbers, varbinds = message
        bound = b"".join(map(self._varbind, varbinds))
        body = b"".join(map(self._integer, numbers)) + self._constructed(SEQUENCE, bound)
        head = self._integer(version) + self._primitive(OCTETS, community)
        return self._constructed(SEQUENCE, head + self._constructed(pdu, body))

    def _varbind(self, varbind: Varbind) -> bytes:
        oid, kind, value = varbind
        name = self._primitive(OID, encode_oid(oid))
        if isinstance(value, int):
            return self._constructed(SEQUENCE, name + self._integer(value, TAGS[kind]))
        if isinstance(value, bytes):
            return self._constructed(SEQUENCE, name + self._string(TAGS[kind], value))
        content = encode_oid(value) if kind == "ObjectIdentifier" and value else b""
        if kind == "IpAddress":
            content = encode_varbind(varbind)[-4:]
        return self._constructed(SEQUENCE, name + self._primitive(TAGS[kind], content))

    def _integer(self, value: int, tag: int = INTEGER) -> bytes:
        size = value.bit_length() // 8 + 1 + self._dice.choice([0, 0, 1, 12])
        return self._primitive(tag, value.to_bytes(size, "big", signed=True))

    def _string(self, tag: int, content: bytes) -> bytes:
        if self._dice.random() < 0.7:
            return self._primitive(tag, content)
        at = self._dice.randrange(len(content) + 1)
        pieces = self._primitive(OCTETS, content[:at]) + self._primitive(OCTETS, content[at:])
        return self._constructed(tag | 0x20, pieces)

    def _constructed(self, tag: int, content: bytes) -> bytes:
        if self._dice.random() < 0.5:
            return bytes([tag, 0x80]) + content + b"\0\0"
        return self._primitive(tag, content)

    def _primitive(self, tag: int, content: bytes) -> bytes:
        length = len(content)
        size = self._dice.choice([0, 2, 3, 5, 8])
        if size == 0 and length < 0x80:
            return bytes([tag, length]) + content
        size = max(size, 2)
        return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
