"""Decoding a response of 20 varbinds: ours against pysnmp's, both to values that can be used."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version

from pyasn1.codec.ber import decoder
from pysnmp.proto import api

from shared.snmp.port import Varbind
from shared.snmp.wire import RESPONSE, V2C, SnmpMessage, decode, encode

ROUNDS = 5
VARBINDS = tuple(
    Varbind(f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}", "Integer32", 1000 * column + row)
    for column in (2, 3, 4, 5)
    for row in (1, 2, 3, 4)
) + tuple(
    Varbind(f"1.3.6.1.2.1.43.11.1.1.6.1.{row}", "OctetString", b"Black Toner Cartridge")
    for row in (1, 2, 3, 4)
)
DATAGRAM = encode(SnmpMessage(V2C, b"public", RESPONSE, 4711, 0, 0, VARBINDS))


async def run() -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):  # in turn, so that both see the same machine
        ours.append(_microseconds(_ours, 2000))
        theirs.append(_microseconds(_pysnmps, 60))
    best_ours, best_theirs = min(ours) / len(VARBINDS), min(theirs) / len(VARBINDS)
    print(
        f"codec    decode {len(DATAGRAM)} octets, {len(VARBINDS)} varbinds:"
        f" {best_ours:.2f} us a varbind; pysnmp {version('pysnmp')} {best_theirs:.1f} us;"
        f" ratio {best_theirs / best_ours:.1f}"
    )


def _ours() -> object:
    return [(v.oid, v.value) for v in decode(DATAGRAM).varbinds]


def _pysnmps() -> object:
    module = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
    message, _ = decoder.decode(DATAGRAM, asn1Spec=module.Message())
    pdu = module.apiMessage.get_pdu(message)
    return [(str(oid), value) for oid, value in module.apiPDU.get_varbinds(pdu)]


def _microseconds(work: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return 1e6 * (time.perf_counter() - began) / times
