"""Decoding answers: ours, plain and compiled, and pysnmp's, all to values that can be used.

Two answers: a GET of 20 scalars, and a table of 11 rows and 8 columns. Rounds go in turn, each in
a process of its own, so that all see the same machine; medians are told. The compiled copy takes
part where `make compiled` has made it, and only if its sources are today's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pyasn1.codec.ber import decoder
from pysnmp.proto.api import v2c

from shared.snmp import wire
from shared.snmp.port import Varbind
from shared.snmp.wire import GET, RESPONSE, V2C, SnmpMessage

ROUNDS = 7
ROOT = Path(__file__).parent.parent
COMPILED = ROOT / "var" / "compiled"
SCALARS = [
    Varbind("1.3.6.1.2.1.1.1.0", "OctetString", b"Multifunction Printer, firmware 2RL_2000.001"),
    Varbind("1.3.6.1.2.1.1.3.0", "TimeTicks", 123_456_789),
    *(
        Varbind(f"1.3.6.1.2.1.43.10.2.1.4.1.{row}", "Counter32", 424_405 + 1_000 * row)
        for row in range(1, 9)
    ),
    *(
        Varbind(f"1.3.6.1.4.1.1347.43.10.1.1.12.1.{row}", "Integer32", 77_777 * row)
        for row in range(1, 7)
    ),
    *(
        Varbind(f"1.3.6.1.2.1.43.5.1.1.{column}.1", "OctetString", b"VB1234567")
        for column in range(16, 20)
    ),
]
TABLE = [
    Varbind(f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}", "OctetString", b"Black Toner Cartridge")
    if column == 6
    else Varbind(f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}", "Integer32", 37 * column * row)
    for row in range(1, 12)
    for column in range(2, 10)
]


async def run() -> None:
    copies = {"plain": ROOT}
    if all(is_current(path) for path in (ROOT / "shared" / "snmp").glob("*.py")):
        copies["compiled"] = COMPILED
    rounds = [{name: one_round(path) for name, path in copies.items()} for _ in range(ROUNDS)]
    print(f"codec    pysnmp {version('pysnmp')}, pyasn1 {version('pyasn1')}, us, medians")
    for what, peers in rounds[0]["plain"].items():
        medians = {
            name: statistics.median(each[name][what]["ours"] for each in rounds) for name in copies
        }
        told = [f"{name} {median:.2f}" for name, median in medians.items()]
        if "pysnmp" in peers:
            peer = statistics.median(each["plain"][what]["pysnmp"] for each in rounds)
            told = [f"{name} {us:.2f} (ratio {peer / us:.0f})" for name, us in medians.items()]
            told.append(f"pysnmp {peer:.1f}")
        print(f"codec    {what}: {', '.join(told)}")


def is_current(source: Path) -> bool:
    copy = COMPILED / source.relative_to(ROOT)
    return copy.exists() and copy.read_bytes() == source.read_bytes()


def one_round(copy: Path) -> dict[str, dict[str, float]]:
    told = subprocess.run(
        [sys.executable, "-P", "-m", "bench.codec"],
        env={**os.environ, "PYTHONPATH": f"{copy}:{ROOT}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(told.stdout))


def measured() -> dict[str, dict[str, float]]:
    """Microseconds, by what is done and by whom."""
    figures: dict[str, dict[str, float]] = {}
    for name, varbinds in {"GET": SCALARS, "table": TABLE}.items():
        answer = wire.encode(SnmpMessage(V2C, b"public", RESPONSE, 0x12345678, 0, 0, varbinds))
        count = len(varbinds)
        about = f"{name} answer of {count} varbinds, {len(answer)} octets"
        ours, theirs = partial(wire.decode, answer), partial(by_pysnmp, answer)
        figures[f"{about}, a varbind"] = {
            "ours": _microseconds(ours, 40_000 // count) / count,
            "pysnmp": _microseconds(theirs, 300 // count) / count,
        }
        request_id = partial(wire.request_id_of, answer)
        figures[f"{about}, its request id"] = {"ours": _microseconds(request_id, 10_000)}
    oids = [varbind.oid for varbind in SCALARS]
    build = partial(wire.request_template, V2C, b"public", GET, oids)
    figures["a template of 20 OIDs"] = {"ours": _microseconds(build, 1_000)}
    request = partial(build().request, 0x12345678)
    figures["a request from it"] = {"ours": _microseconds(request, 10_000)}
    return figures


def by_pysnmp(answer: bytes) -> list[tuple[str, object]]:
    message, _ = decoder.decode(answer, asn1Spec=v2c.Message())
    return [
        (str(oid), value) for oid, value in v2c.apiPDU.get_varbinds(v2c.apiMessage.get_pdu(message))
    ]


def _microseconds(work: Callable[[], object], times: int) -> float:
    for _ in range(2):
        work()
    began = time.thread_time()
    for _ in range(times):
        work()
    return 1e6 * (time.thread_time() - began) / times


if __name__ == "__main__":
    print(json.dumps(measured()))
