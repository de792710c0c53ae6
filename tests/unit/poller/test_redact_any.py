"""Made-up walks with planted secrets: none is left in the file, and every count is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.poller.private_rows import PrivateRows
from services.poller.profile import load_profiles
from services.poller.redact import redact
from shared.snmp.port import Varbind
from shared.snmprec import snmprec_line
from tests.unit.poller.reading import counter, integer, octets

PLACES = PrivateRows(load_profiles().values())
MAKER = "1.3.6.1.4.1.32473.9"
SERIAL_ROW = "1.3.6.1.2.1.43.5.1.1.17.1"
MODEL_ROW = "1.3.6.1.2.1.25.3.2.1.3.1"
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowel: a word of the trade stays where it is
words = st.text(LETTERS, min_size=5, max_size=9)
serials = st.builds(lambda word, number: f"{word}{number}", words, st.integers(1000, 99999))
names = st.builds(lambda word, number: f"{word.lower()}-{number}", words, st.integers(10, 999))
emails = st.builds(lambda word, at: f"{word}@{at}.example".lower(), words, words)
macs = st.builds(
    lambda *octets: bytes(octets),
    st.integers(0, 127).map(lambda half: half * 2),
    st.integers(0, 255),
    st.integers(1, 255),
    *[st.integers(100, 255)] * 3,
)
ips = st.builds(
    lambda octets: ".".join(map(str, octets)),
    st.tuples(st.sampled_from([10, 172, 192]), st.integers(40, 255), *[st.integers(0, 255)] * 2),
)


@settings(max_examples=60, deadline=None)
@given(serials, names, emails, macs, ips, st.integers(0, 2**32), st.lists(st.integers(0, 2**31)))
def test_nothing_planted_is_left_and_every_count_is(
    serial: str, name: str, email: str, mac: bytes, ip: str, seed: int, counts: list[int]
) -> None:
    texts = [serial, name, email]
    planted = [
        octets("1.3.6.1.2.1.1.4.0", email),
        octets("1.3.6.1.2.1.1.5.0", name),
        Varbind("1.3.6.1.2.1.2.2.1.6.1", "OctetString", mac),
        octets(SERIAL_ROW, serial),
        Varbind(f"{MAKER}.1.0", "IpAddress", ip),
        *(octets(f"{MAKER}.2.{at}", said) for at, said in enumerate(_said(texts, mac, ip))),
        *(integer(f"{MAKER}.3.{'.'.join(map(str, said.encode()))}", 1) for said in texts),
        integer(f"{MAKER}.4.{'.'.join(map(str, mac))}.7", 1),
        integer(f"{MAKER}.5.2.{ip}.80", 1),
    ]
    counters = [counter(f"{MAKER}.6.{at}", value) for at, value in enumerate(counts, 1)]

    rows = redact([*planted, *counters], PLACES, Random(seed)).rows

    file = "\n".join(map(snmprec_line, rows)).lower()
    assert [needle for needle in _needles(texts, mac, ip) if re.search(needle, file)] == []
    assert len(rows) == len(planted) + len(counters)
    assert [row for row in rows if row.oid.startswith(f"{MAKER}.6.")] == counters


def _said(texts: list[str], mac: bytes, ip: str) -> Iterator[str | bytes]:
    for text in texts:
        yield from (text.upper(), text.lower(), text.swapcase(), f"(see {text}!)")
        yield from (text.encode().hex(), text.upper().encode().hex(), text.encode("utf-16-le"))
        yield text.lower().encode().hex().upper()
        yield b"\x01\x0c" + text.encode() + b"\x00"
    yield from (mac.hex(), mac.hex().upper(), mac.hex(":"), mac.hex("-").upper(), mac.hex(" "))
    yield from (f"MFG:Northwind;MAC:{mac.hex()};", b"\x00\x06" + mac, mac.hex(".", 2))
    yield from (ip, f"http://{ip}/index.html", f"{ip}:9100", bytes(map(int, ip.split("."))))


def _needles(texts: list[str], mac: bytes, ip: str) -> Iterator[str]:
    for text in (text.lower() for text in texts):
        yield re.escape(text)
        for said in (text, text.upper()):
            yield said.encode().hex()
            yield said.encode().hex().encode().hex()
            yield said.encode("utf-16-le").hex()
        yield rf"\b{re.escape('.'.join(map(str, text.upper().encode())))}\b"
        yield rf"\b{re.escape('.'.join(map(str, text.encode())))}\b"
    yield from (mac.hex(), re.escape(mac.hex(":")), mac.hex("-"), mac.hex(" "))
    yield rf"\b{re.escape('.'.join(map(str, mac)))}\b"
    yield rf"(?<!\d){re.escape(ip)}(?!\d)"
    yield ip.encode().hex() + "(?!3[0-9])"
    yield rf"\|{bytes(map(int, ip.split('.'))).hex()}"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode))))
def test_any_octets_keep_their_number(values: list[bytes]) -> None:
    places = ("1.3.6.1.2.1.1.5.0", SERIAL_ROW, "1.3.6.1.2.1.2.2.1.6.1", MODEL_ROW)
    oids = [*places, *(f"{MAKER}.1.{number}" for number in range(len(values)))]
    rows = [octets(oid, value) for oid, value in zip(oids, values, strict=False)]

    now = {row.oid: row for row in redact(rows, PLACES, Random(7)).rows}

    assert {row.oid: len(row.value) for row in rows if isinstance(row.value, bytes)} == {
        oid: len(row.value) for oid, row in now.items() if isinstance(row.value, bytes)
    }
