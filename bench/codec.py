"""Decoding answers: ours, plain and compiled, and pysnmp's, all to values that can be used.

Two kinds of answer: a GET of 20 scalars, and a table of 11 rows and 8 columns; of each a hundred,
whose numbers differ as those of as many devices do. Rounds go in turn, each in a process of its
own, so that all see the same machine; medians are told.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

from pyasn1.codec.ber import decoder
from pysnmp.proto.api import v2c

from bench.copies import copies, environment
from shared.snmp import wire
from shared.snmp.port import Varbind
from shared.snmp.wire import GET, RESPONSE, V2C, SnmpMessage

ROUNDS = 7
DEVICES = 100
T = TypeVar("T")


def scalars(device: int) -> list[Varbind]:
    numbers = [("1.3.6.1.2.1.43.10.2.1.4.1", "Counter32", 424_405 + 1_009 * device)] * 8
    numbers += [("1.3.6.1.4.1.1347.43.10.1.1.12.1", "Integer32", 77_777 + 997 * device)] * 6
    return [
        Varbind("1.3.6.1.2.1.1.1.0", "OctetString", b"Multifunction Printer, firmware 2RL_2000"),
        Varbind("1.3.6.1.2.1.1.3.0", "TimeTicks", 123_456_789 + device),
        *(Varbind(f"{oid}.{row}", kind, row * n) for row, (oid, kind, n) in enumerate(numbers, 1)),
        *(
            Varbind(f"1.3.6.1.2.1.43.5.1.1.{column}.1", "OctetString", b"VB1234%03d" % device)
            for column in range(16, 20)
        ),
    ]


def table(device: int) -> list[Varbind]:
    """Supplies: one column of eight differs, the levels."""
    return [
        Varbind(f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}", "OctetString", b"Black Toner Cartridge")
        if column == 6
        else Varbind(
            f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}",
            "Integer32",
            37 * column * row + (device if column == 9 else 0),
        )
        for row in range(1, 12)
        for column in range(2, 10)
    ]


async def run() -> None:
    there = copies()
    rounds = [{name: one_round(path) for name, path in there.items()} for _ in range(ROUNDS)]
    print(f"codec    pysnmp {version('pysnmp')}, pyasn1 {version('pyasn1')}, us, medians")
    for what, peers in rounds[0]["plain"].items():
        medians = {
            name: statistics.median(each[name][what]["ours"] for each in rounds) for name in there
        }
        told = [f"{name} {median:.2f}" for name, median in medians.items()]
        if "pysnmp" in peers:
            peer = statistics.median(each["plain"][what]["pysnmp"] for each in rounds)
            told = [f"{name} {us:.2f} (ratio {peer / us:.0f})" for name, us in medians.items()]
            told.append(f"pysnmp {peer:.1f}")
        print(f"codec    {what}: {', '.join(told)}")


def one_round(copy: Path) -> dict[str, dict[str, float]]:
    told = subprocess.run(
        [sys.executable, "-P", "-m", "bench.codec"],
        env=environment(copy),
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(told.stdout))


def measured() -> dict[str, dict[str, float]]:
    """Microseconds, by what is done and by whom."""
    figures: dict[str, dict[str, float]] = {}
    for name, varbinds_of in {"GET": scalars, "table": table}.items():
        answers = [_answer(varbinds_of(device)) for device in range(DEVICES)]
        count = len(varbinds_of(0))
        about = f"{name} answer of {count} varbinds, {len(answers[0])} octets"
        figures[f"{about}, a varbind"] = {
            "ours": _microseconds(wire.decode, answers, 40_000 // count) / count,
            "pysnmp": _microseconds(by_pysnmp, answers, 300 // count) / count,
        }
        request_id = _microseconds(wire.request_id_of, answers, 10_000)
        figures[f"{about}, its request id"] = {"ours": request_id}
    oids = [varbind.oid for varbind in scalars(0)]
    build = partial(wire.request_template, V2C, b"public", GET)
    figures["a template of 20 OIDs"] = {"ours": _microseconds(build, [oids], 1_000)}
    request = build(oids).request
    figures["a request from it"] = {"ours": _microseconds(request, [0x12345678], 10_000)}
    return figures


def by_pysnmp(answer: bytes) -> list[tuple[str, object]]:
    message, _ = decoder.decode(answer, asn1Spec=v2c.Message())
    return [
        (str(oid), value) for oid, value in v2c.apiPDU.get_varbinds(v2c.apiMessage.get_pdu(message))
    ]


def _answer(varbinds: list[Varbind]) -> bytes:
    return wire.encode(SnmpMessage(V2C, b"public", RESPONSE, 0x12345678, 0, 0, varbinds))


def _microseconds(work: Callable[[T], object], given: Sequence[T], times: int) -> float:
    """A call, of `times` with each of `given` in turn."""
    for one in given[:2]:
        work(one)
    in_turn = list(islice(cycle(given), times))
    began = time.thread_time()
    for one in in_turn:
        work(one)
    return 1e6 * (time.thread_time() - began) / times


if __name__ == "__main__":
    print(json.dumps(measured()))
