"""Datagrams, and what becomes of them when octets change on their way."""

from __future__ import annotations

import random

from shared.snmp.port import Varbind
from shared.snmp.wire import RESPONSE, V2C, SnmpMessage, encode

SYS_DESCR = "1.3.6.1.2.1.1.1.0"


def response(*varbinds: Varbind) -> SnmpMessage:
    return SnmpMessage(V2C, b"public", RESPONSE, 0x1234567, 0, 0, list(varbinds))


def answers(dice: random.Random, *, rows: int = 40) -> list[SnmpMessage]:
    """20 with values of many types; up to `rows` varbinds and five more in each."""
    return [
        response(
            *(
                Varbind(f"1.3.6.1.2.1.43.{row}.4294967295", "Counter64", 2**64 - 1 - row)
                for row in range(dice.randrange(rows))
            ),
            Varbind(SYS_DESCR, "OctetString", dice.randbytes(dice.randrange(300))),
            Varbind("1.3.6.1.2.1.1.2.0", "ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
            Varbind("1.3.6.1.2.1.4.20.1.1", "IpAddress", "10.0.0.7"),
            Varbind("1.3.6.1.2.1.1.3.0", "TimeTicks", dice.randrange(2**32)),
            Varbind("1.3.6.1.2.1.43.10.2.1.4.1.1", "Counter32", dice.randrange(2**24)),
            Varbind("1.3.6.1.2.1.43.11.1.1.9.1.1", "Integer32", dice.randrange(-3, 2**16)),
            Varbind("1.3.6.1.2.1.1.9.0", "endOfMibView", None),
        )
        for _ in range(20)
    ]


def datagrams(dice: random.Random, *, rows: int = 40) -> list[bytes]:
    return [encode(answer) for answer in answers(dice, rows=rows)]


def mutated(dice: random.Random, datagram: bytes) -> bytes:
    octets = bytearray(datagram)
    for _ in range(dice.choice([1, 1, 2, 5])):
        at = dice.randrange(len(octets) + 1)
        match dice.randrange(5):
            case 0:
                octets[at : at + 1] = bytes([dice.choice([0, 0x7F, 0x80, 0x84, 0xFF])])
            case 1:
                octets[at : at + 1] = dice.randbytes(1)
            case 2:
                del octets[at : at + dice.randrange(1, 20)]
            case 3:
                octets[at:at] = octets[dice.randrange(len(octets) + 1) :][:30]
            case 4:
                del octets[at:]
    return bytes(octets)
