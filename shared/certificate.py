"""What a certificate says of itself, for people; RFC 5280 section 4.1. Nothing is verified."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from shared.text import decoded

_LONGEST = 65_536
_MOST_NAMES = 100
_SEQUENCE, _OID, _UTC_TIME, _EXTENSIONS = 0x30, 0x06, 0x17, 0xA3
_DNS_NAME, _ADDRESS = 0x82, 0x87
_COMMON_NAME, _ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_CODECS = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)

Part = tuple[int, bytes]  # tag and content


class Certificate(NamedTuple):
    subject: str  # its common name, else its organisation
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]  # DNS names and addresses that it is for


def certificates_in(file: Path) -> list[Certificate]:
    """Those of a PEM file, in its order. Raises: OSError; ValueError, where one cannot be read."""
    text = file.read_bytes().decode("latin-1")
    return [read_certificate(ssl.PEM_cert_to_DER_cert(pem)) for pem in _PEM.findall(text)]


def read_certificate(der: bytes) -> Certificate:
    """Raises: ValueError, for what is no X.509 certificate."""
    if len(der) > _LONGEST:
        raise ValueError("a certificate of that length is not read")
    [(_, certificate)] = _parts(der)
    [(_, signed), *_] = _parts(certificate)
    fields = _parts(signed)
    if fields[:1] and fields[0][0] == 0xA0:  # the version; absent in version 1
        fields = fields[1:]
    if len(fields) < 6 or any(tag != _SEQUENCE for tag, _ in fields[1:6]):
        raise ValueError("no certificate")
    issuer, validity, subject = (content for _, content in fields[2:5])
    begins, ends = (_instant(each) for each in _parts(validity)[:2])
    return Certificate(_name(subject), _name(issuer), begins, ends, _names(fields[6:]))


def _parts(content: bytes) -> list[Part]:
    """The values that stand one after another, in DER (X.690 sections 8.1 and 10.1)."""
    parts, at = [], 0
    while at < len(content):
        if at + 2 > len(content):
            raise ValueError("cut short")
        tag, length = content[at], content[at + 1]
        at += 2
        if length >= 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4:
                raise ValueError("not DER")
            length = int.from_bytes(content[at : at + octets], "big")
            at += octets
        if at + length > len(content):
            raise ValueError("cut short")
        parts.append((tag, content[at : at + length]))
        at += length
    return parts


def _name(content: bytes) -> str:
    said: dict[bytes, str] = {}
    for _, attributes in _parts(content):
        for _, attribute in _parts(attributes):
            (_, kind), (tag, text) = _parts(attribute)
            codecs = (_CODECS[tag],) if tag in _CODECS else ("utf-8",)
            said.setdefault(kind, decoded(text, codecs, 100) or "")
    return said.get(_COMMON_NAME) or said.get(_ORGANISATION) or "a name that it does not say"


def _instant(part: Part) -> datetime:
    tag, content = part
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # years 1950 to 2049
        text = ("20" if text < "50" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(fields: list[Part]) -> tuple[str, ...]:
    for tag, content in fields:
        if tag != _EXTENSIONS:
            continue
        [(_, extensions)] = _parts(content)
        for _, extension in _parts(extensions):
            (_, kind), *rest = _parts(extension)
            if kind == _ALTERNATIVE_NAMES and rest:
                [(_, inner)] = _parts(rest[-1][1])
                names = _parts(inner)
                return tuple(filter(None, (_alternative(name) for name in names[:_MOST_NAMES])))
    return ()


def _alternative(name: Part) -> str | None:
    tag, content = name
    if tag == _DNS_NAME:
        return decoded(content, ("ascii",))
    return str(ip_address(content)) if tag == _ADDRESS else None
