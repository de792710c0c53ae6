"""Bodies that nobody should send to POST /v1/events, by a seeded generator."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from tests.unit.ingest.batches import batch, line, meter_read, raw_line

READ = "meter.read.v1"


class Hostile(NamedTuple):
    kind: str
    body: bytes
    headers: dict[str, str]
    whole: bool  # it is no batch: 4xx; else each of its messages is rejected


def hostile(dice: random.Random, count: int) -> Iterator[Hostile]:
    """`count` bodies; heavy ones are one in a hundred."""
    light, heavy = [one for one in (*_WHOLE, *_MESSAGES) if one not in _HEAVY], _HEAVY
    for number in range(count):
        make = dice.choice(heavy if number % 100 == 0 else light)
        body = make(dice)
        packed = make in _PACKED
        if not packed and make is not _plain and dice.random() < 0.5:
            body, packed = gzip.compress(body, 1), True
        headers = {"Content-Encoding": "gzip"} if packed else {}
        yield Hostile(make.__name__.strip("_"), body, headers, make in _WHOLE)


# -- what is no batch -------------------------------------------------------------------------


def _garbage(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(3000))


def _half(dice: random.Random) -> bytes:
    whole = _good(dice)
    return whole[: dice.randrange(len(whole))]


def _deep(dice: random.Random) -> bytes:
    return dice.choice([b"[", b'{"a":', b"[{"]) * dice.randrange(1, 20_000)


def _wrong_envelope(dice: random.Random) -> bytes:
    member = dice.choice([b"spool", b"first_unsent", b"last", b"sent_at", b"messages"])
    envelope = {
        name.encode(): json.dumps(value).encode() for name, value in json.loads(_good(dice)).items()
    }
    envelope[member] = _value(dice)
    if member == b"messages" and envelope[member].startswith(b"["):
        envelope[member] = b'["a"]'
    return b"{%s}" % b",".join(b'"%s":%s' % one for one in envelope.items())


def _wrong_number(dice: random.Random) -> bytes:
    number = dice.choice([b"1e400", b"-1", b"0", b"9" * 400, b"1.5", b'"7"', b"null", b"[]"])
    return batch([b'{"n":%s,"type":"%s","body":{}}' % (number, READ.encode())])


def _cut_gzip(dice: random.Random) -> bytes:
    whole = gzip.compress(_good(dice))
    return whole[: dice.randrange(len(whole))]


def _spoilt_gzip(dice: random.Random) -> bytes:
    whole = bytearray(gzip.compress(_good(dice)))
    for _ in range(3):
        whole[dice.randrange(10, len(whole))] ^= dice.randrange(1, 256)
    return bytes(whole)


def _gzip_and_more(dice: random.Random) -> bytes:
    return gzip.compress(_good(dice)) + dice.choice([b"more", gzip.compress(b"{}"), _bomb(dice)])


@cache
def _zeros() -> bytes:
    """100 MB in 100 kB."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(bytes(100_000_000)), packer.flush()])


def _bomb(dice: random.Random) -> bytes:
    return _zeros()


def _lying_bomb(dice: random.Random) -> bytes:
    return _zeros()[:-4] + dice.randrange(20_000_000).to_bytes(4, "little")


def _bomb_in_a_bomb(dice: random.Random) -> bytes:
    return gzip.compress(_zeros() * dice.randrange(1, 30))


def _plain(dice: random.Random) -> bytes:
    return b" " * dice.randrange(4_200_000, 5_000_000)


# -- batches whose every message is none ------------------------------------------------------


def _good(dice: random.Random) -> bytes:
    return batch([line(n, meter_read(dice.randrange(100))) for n in range(1, 4)])


def _value(dice: random.Random) -> bytes:
    return dice.choice(_VALUES)


def _wrong_field(dice: random.Random) -> bytes:
    fields = json.loads(meter_read().to_json())
    spoilt = dice.choice(["order", "round", "agent", "target", "taken_at", "meters", "varbinds"])
    members = [
        b'"%s":%s' % (name.encode(), json.dumps(value).encode())
        for name, value in fields.items()
        if name != spoilt
    ]
    value = dice.choice([b"1e400", b'"\\ud800"', b'{"total":-1e400}', b'[["a",1e999]]', b'"\xff"'])
    members.insert(dice.randrange(len(members)), b'"%s":%s' % (spoilt.encode(), value))
    return _sent(b"{%s}" % b",".join(members))


def _any_body(dice: random.Random) -> bytes:
    return _sent(dice.choice([b"1e400", b"null", b"[]", b'"\\ud800"', b"{}", b"9" * 5000]))


def _deep_body(dice: random.Random) -> bytes:
    depth = dice.randrange(1, 20_000)
    opening, closing = dice.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return _sent(opening * depth + b"0" * (opening != b"[") + closing * depth)


def _key_twice(dice: random.Random) -> bytes:
    read = meter_read(dice.randrange(100)).to_json()
    return _sent(read[:-1] + b',"agent":"another"}')


def _no_type(dice: random.Random) -> bytes:
    kind = dice.choice(
        [b"7", b"null", b'"device.found.v1"', b'"\\u0000"', b"{}", b'"%s"' % (b"a" * 9999)]
    )
    return batch([b'{"n":%d,"type":%s,"body":{}}' % (n, kind) for n in range(1, 9)])


def _sent(body: bytes) -> bytes:
    return batch([raw_line(n, READ, body) for n in range(1, 3)])


def _too_many(dice: random.Random) -> bytes:
    return batch([raw_line(n, READ, b"{}") for n in range(1, dice.randrange(502, 9_000))])


@cache
def _objects() -> bytes:
    """One message of many objects in few bytes: as Python's they would take 200 MB."""
    return gzip.compress(batch([raw_line(1, READ, b'{"meters":[%s{}]}' % (b"{}," * 2_500_000))]), 1)


@cache
def _meters() -> bytes:
    """20 messages of 2,500 meters each."""
    meters = b"".join(b'"m%d":7,' % n for n in range(2_500))
    body = b'{"meters":{%s"a":1}}' % meters
    return gzip.compress(batch([raw_line(n, READ, body) for n in range(1, 21)]), 1)


def _one_large(dice: random.Random) -> bytes:
    return _objects()


def _many_large(dice: random.Random) -> bytes:
    return _meters()


_VALUES = (
    *(
        b"-1e400",
        b"1e400",
        b"-" + b"9" * 5000,
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
        b"NaN",
        b"01",
    ),
    *(b'"\\ud800"', b'"\\u0000"', b'"\xff"', b"[" * 500 + b"]" * 500),
)
_Make = Callable[[random.Random], bytes]
_CUT_OR_BOMBS: tuple[_Make, ...] = (
    *(_cut_gzip, _spoilt_gzip, _gzip_and_more, _bomb, _lying_bomb, _bomb_in_a_bomb),
)
_PACKED = (*_CUT_OR_BOMBS, _one_large, _many_large)
_MESSAGES: tuple[_Make, ...] = (_wrong_field, _any_body, _deep_body, _key_twice, _no_type)
_HEAVY: tuple[_Make, ...] = (_plain, _too_many, _one_large, _many_large)
_WHOLE = (
    *(_garbage, _half, _deep, _wrong_envelope, _wrong_number, _plain, _too_many, *_CUT_OR_BOMBS),
)
