"""Datagrams that were spoilt on their way: told as such, in bounded time and memory."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from shared.snmp import decoder
from shared.snmp.wire import SnmpMessage, WireError, decode, request_id_of
from tests.unit.snmp.mutation import datagrams, mutated

MUTATIONS = 100_000


def test_100_000_mutated_datagrams_raise_nothing_but_wire_errors() -> None:
    dice = random.Random(MUTATIONS)
    seeds = datagrams(dice, rows=20)
    read = 0
    began = time.process_time()
    for _ in range(MUTATIONS):
        datagram = mutated(dice, dice.choice(seeds))
        with suppress(WireError):
            number = request_id_of(datagram)
            assert decode(datagram).request_id == number
            read += 1

    assert 1_000 < read < MUTATIONS - 1_000
    assert time.process_time() - began < 120  # 5 s alone on a slow machine


def test_any_octets_raise_nothing_but_wire_errors() -> None:
    dice = random.Random(30)
    for length in range(3_000):
        octets = b"\x30\x82" + length.to_bytes(2, "big") + dice.randbytes(length)
        for datagram in (octets, octets[4:], bytes(length)):
            with pytest.raises(WireError):
                decode(datagram)


def test_what_is_remembered_of_hostile_datagrams_stays_within_megabytes() -> None:
    """Each OID is new and nearly as long as it may be: with a length in one octet, or at all."""
    code = """
from pathlib import Path
from shared.snmp import decoder
from shared.snmp.port import Varbind
from shared.snmp.wire import RESPONSE, SnmpMessage, decode, encode

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = most = resident_pages()
for rows, arcs in (12_000, 24), (6_000, 124):
    long = ".4294967295" * arcs
    for first in range(0, rows, 40):
        bound = [Varbind(f"1.3{long}.{first + n}", "OctetString", b"") for n in range(40)]
        decode(encode(SnmpMessage(1, b"public", RESPONSE, 7, 0, 0, bound)))
        assert len(decoder._shapes) <= decoder._MAX_SHAPES
        most = max(most, resident_pages())
print(most - before)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert int(told.stdout) * resource.getpagesize() < 40 * 2**20


def test_a_datagram_says_the_same_at_first_sight_as_when_its_shapes_are_known() -> None:
    dice = random.Random(10_000)
    seeds = datagrams(dice)
    spoilt = [mutated(dice, dice.choice(seeds)) for _ in range(10_000)]
    known = [outcome(datagram) for datagram in [*seeds, *spoilt]]

    strange = [outcome(datagram, forget=True) for datagram in [*seeds, *spoilt]]

    assert known == strange
    assert 100 < sum(read is not None for read in strange) < 9_900


def outcome(datagram: bytes, *, forget: bool = False) -> SnmpMessage | None:
    if forget:
        decoder._shapes.clear()
    try:
        return decode(datagram)
    except WireError:
        return None
