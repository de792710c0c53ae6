"""The ways in which a secret is written; pure. Texts are octets as Latin-1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from services.poller.private_rows import IP, MAC
from services.poller.stand_ins import Form, lower, upper

_SHORT = 6  # below it, a text is found as a word of its own alone


class _Way(NamedTuple):
    write: Callable[[str], str]
    edge: str = ""


def forms(kind: str, secret: str, stand_in: str, number: int) -> Iterator[Form]:
    """`number` is the secret's; a MAC comes as twelve lower-case digits."""
    ways = _ways_of_mac(secret) if kind == MAC else _ways_of_ip(secret) if kind == IP else None
    for write, edge in ways or _ways_of_text(secret):
        yield Form(write(secret), write(stand_in), number, edge)


def _ways_of_text(secret: str) -> Iterator[_Way]:
    if len(secret) < _SHORT:
        yield _Way(str, edge="word")
    else:
        yield _Way(str)
        yield _Way(lambda text: text.encode("latin-1").hex())
        yield _Way(lambda text: upper(text).encode("latin-1").hex())
        yield _Way(lambda text: lower(text).encode("latin-1").hex())
    yield from _ways_in_utf_16()


def _ways_in_utf_16() -> Iterator[_Way]:
    yield _Way(lambda text: text.encode("utf-16-le").decode("latin-1"))
    yield _Way(lambda text: text.encode("utf-16-be").decode("latin-1"))


def _ways_of_ip(secret: str) -> Iterator[_Way]:
    yield _Way(str, edge="number")
    if ":" not in secret:
        yield _Way(
            lambda quad: ".".join(octet.zfill(3) for octet in quad.split(".")), edge="number"
        )
        yield _Way(lambda quad: bytes(map(int, quad.split("."))).hex(), edge="word")


def _ways_of_mac(secret: str) -> Iterator[_Way]:
    yield _Way(str)
    for between in ":-. ":
        yield _Way(_in(2, between))
    for between in ".:-":
        yield _Way(_in(4, between))
    yield from _ways_in_utf_16()
    yield _Way(lambda digits: bytes.fromhex(digits).decode("latin-1"))
    yield _Way(_interface_id)
    if not secret[6:].isdecimal() and not secret[6:].isalpha():  # as in NPI34DF33
        yield _Way(lambda digits: digits[6:])


def _in(size: int, between: str) -> Callable[[str], str]:
    return lambda digits: between.join(digits[at : at + size] for at in range(0, 12, size))


def _interface_id(digits: str) -> str:
    """RFC 4291, appendix A: the second half of an IPv6 address made of a MAC."""
    mac = bytes.fromhex(digits)
    return bytes([mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]]).decode("latin-1")
