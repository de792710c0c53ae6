"""What the strict decoder refuses: read where it is sound BER, and refused in words where not."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.snmp.fallback import MAX_OCTETS, decode_leniently, request_id_leniently
from shared.snmp.port import Varbind
from shared.snmp.wire import SnmpMessage, WireError, decode, encode
from tests.unit.snmp.messages import messages
from tests.unit.snmp.mutation import SYS_DESCR, answers, datagrams, mutated, response
from tests.unit.snmp.odd_forms import OddEncoder

NAME = "0608 2b06010201010100"


@settings(max_examples=300, deadline=None, database=None)
@given(messages, st.integers(0, 2**32))
def test_sound_ber_of_any_form_is_the_message_that_it_holds(
    message: SnmpMessage, seed: int
) -> None:
    odd = OddEncoder(seed).message(message)

    assert decode_leniently(odd) == message
    assert request_id_leniently(odd) == message.request_id


@pytest.mark.parametrize(
    "octets",
    [
        "3080 020101 04017a a20f 020107 020100 020100 3004 30020500 0000",  # no name
        "3080 020101 04017a a20b 020107 020100 020100 3000 0000 00",  # an octet more
        "3080 020101 04017a a20b 020107 020100 020100 3000 00",  # an octet less
        "3080 020103 04017a a20b 020107 020100 020100 3000 0000",  # v3
        "3080 020101 04017a a80b 020107 020100 020100 3000 0000",  # a report
        "3080 020101 04017a a209 020107 0200 0200 3000 0000",  # no error-status in it
        "3089 000000000000000016 020101 04017a a20b 020107 020100 020100 3000",
        "",
        "30",
        "3080",
        "3084ffffffff",
    ],
)
def test_what_is_no_message_is_a_wire_error(octets: str) -> None:
    with pytest.raises(WireError):
        decode_leniently(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        "0200",  # an integer without octets: pysnmp reads 0
        "4100",  # and a counter
        "02050080000000",
        "4101ff",
        "4605ffffffffff",
        "4000",
        "050100",
        "0600",
        "06032b8001",
        "06062b9f8080807f",  # a number over 32 bits: pysnmp reads it
        "0681812b" + "01" * 128,  # 130 numbers: pysnmp reads them
        "0101ff",
        "470105",
        "0000",
        "0500 0500",
    ],
)
def test_a_value_that_is_wrong_is_wrong_in_any_form(value: str) -> None:
    varbind = bytes.fromhex(NAME + value)
    octets = b"\x30\x80\x30\x80" + varbind + b"\0\0\0\0"
    head = bytes.fromhex("020107 020100 020100")
    octets = b"\x30\x80\x02\x01\x01\x04\x01z\xa2\x80" + head + octets + b"\0\0\0\0"
    assert request_id_leniently(octets) == 7

    with pytest.raises(WireError):
        decode_leniently(octets)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3080020101",
        "30800201010401",
        "3080 020101 04017a a280 0200",
        "3080 020101 04017a a280 0204ffff",
        "3080 020101 02017a a280 020107",
        "3080 020101 04017a a280 040107",
        "3080 0284ffffffff 01 04017a a280 020107",
        "30ff 020101 04017a a280 020107",
    ],
)
def test_where_no_request_id_is_none_is_made_up(octets: str) -> None:
    with pytest.raises(WireError):
        request_id_leniently(bytes.fromhex(octets))


def test_large_datagrams_are_not_tried() -> None:
    row = Varbind(SYS_DESCR, "OctetString", bytes(100))
    large = encode(response(*[row] * 40))
    assert len(large) > MAX_OCTETS

    with pytest.raises(WireError, match="too many"):
        decode_leniently(large)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x30\x80" * (MAX_OCTETS // 2),
        b"\x24\x80" * (MAX_OCTETS // 2),
        b"\x30\x84\x7f\xff\xff\xff" * (MAX_OCTETS // 6),
        b"\xbf" + b"\xff" * (MAX_OCTETS - 1),
        b"\x30\x80\x02\x82\x0f\xf0" + b"\x7f" * (MAX_OCTETS - 6),
        b"\x30\x80\x06\x82\x0f\xf0" + b"\xff" * (MAX_OCTETS - 6),
        b"\x30\x80\x02\x01\x01\x24\x80" + b"\x04\x00" * (MAX_OCTETS // 2 - 4),
        encode(response(*[Varbind("1.3", "Null", None)] * 500))[:-2] + b"\x45\x00",
    ],
)
def test_what_is_made_to_cost_costs_little(hostile: bytes) -> None:
    assert len(hostile) <= MAX_OCTETS
    with suppress(WireError):
        decode_leniently(b"")  # pysnmp is there
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(WireError):
            decode_leniently(hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 32 * 2**20
    assert time.process_time() - began < 20


def test_2_000_mutated_datagrams_raise_nothing_but_wire_errors() -> None:
    dice = random.Random(2_000)
    odd = [OddEncoder(n).message(answer) for n, answer in enumerate(answers(dice, rows=3))]
    seeds = odd + datagrams(dice, rows=3)
    read = 0
    for _ in range(2_000):
        with suppress(WireError):
            decode_leniently(mutated(dice, dice.choice(seeds)))
            read += 1

    assert 20 < read < 1_900


def test_what_both_decoders_read_they_read_alike() -> None:
    dice = random.Random(1_000)
    seeds = datagrams(dice, rows=3)
    both = 0
    for _ in range(1_000):
        datagram = mutated(dice, dice.choice(seeds))
        with suppress(WireError):
            strict, lenient = decode(datagram), decode_leniently(datagram)
            assert strict == lenient
            both += 1

    assert both > 20


def test_pysnmp_is_imported_for_the_first_odd_datagram_only() -> None:
    code = (
        "import sys; from shared.snmp import fallback, wire;"
        "assert 'pysnmp' not in sys.modules and 'pyasn1' not in sys.modules;"
        "odd = '3080 020101 04017a a20b 020107 020100 020100 3000 0000';"
        "print(fallback.decode_leniently(bytes.fromhex(odd)).request_id)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert told.stdout == "7\n"
