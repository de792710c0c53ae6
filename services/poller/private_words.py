"""What inside a text is about a device's owner, by its form; pure.

Texts are octets as Latin-1, so that binary values are looked through as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from services.poller.private_rows import (
    COMMUNITY,
    EMAIL,
    IP,
    MAC,
    NAME,
    PHONE,
    SERIAL,
    URL,
    UUID,
)

Said = Iterator[tuple[str, str]]

_VALUE = r"""[^;,|"<>\r\n\x00]{1,64}"""
_FORMS = [
    (kind, re.compile(form, re.IGNORECASE))
    for kind, form in (
        (
            SERIAL,
            r"(?<![a-z])(?:[DM]?SN|SERN?|S/N|serial(?:[ _-]?(?:no|nr|num|number))?\.?)"
            r"\s?[:=#]\s*([^\s;,|\"]{3,40})",
        ),
        (
            SERIAL,
            r"(?<![a-z])(?:SN|S/N|serial (?:no\.?|number))\s?(?=[a-z-]{0,39}\d)([a-z0-9-]{5,40})",
        ),
        (
            NAME,
            r"(?<![a-z])(?:host[ _-]?(?:name)?|(?:user|computer|printer|job|document)[ _-]?name"
            r"|user|owner|login|contact|location|asset[ _-]?tag|ssid|workgroup|domain|jobacct\d*)"
            rf"[\"']?\s?[:=]\s*[\"']?({_VALUE})",
        ),
        (
            COMMUNITY,
            r"(?<![a-z])(?:pass(?:word|wd|phrase|code)|pwd|psk|secret|community(?:[ _-]?string)?)"
            rf"[\"']?\s?[:=]\s*[\"']?({_VALUE})",
        ),
        (MAC, r"(?<![a-z])(?:MAC|HW|ethernet)(?:[ _-]?addr(?:ess)?)?\s?[:=]\s*([0-9a-f]{12})"),
        (EMAIL, r"(?<![a-z0-9._%+-])([a-z0-9._%+-]{1,64}@[a-z0-9.-]{0,80}[a-z0-9])"),
        (URL, r"(?<![a-z])[a-z][a-z0-9+.-]{1,15}://([^\s\"'<>;,|\x00-\x1f]+)"),
        (URL, r"(?<!\\)\\\\([A-Za-z0-9][\w.$-]*(?:\\[\w.$-]+)*)"),
        (
            UUID,
            r"(?<![0-9a-f])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        ),
        (PHONE, r"(?<![\w+])(\+[1-9][\d ()/-]{7,20}\d)"),
    )
]
_DOMAINS = re.compile(
    r"(?<![\w.-])([A-Za-z][\w-]*(?:\.[\w-]+)*\.(?:com|net|org|edu|gov|info|biz|local|localdomain|lan"
    r"|home|internal|intra|intranet|corp|priv|private|test|example|invalid"
    r"|de|fr|uk|nl|ch|eu|jp|cn|kr|pl|es|se|dk|fi|cz|ru|br|au|ca|nz|pt|gr|hu|ro|sk|tr)"
    r"|[A-Za-z][\w-]*\.(?:[\w-]+\.)+[a-z]{2})(?![\w.-])"
)
_PAIRS = re.compile(
    r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{2}([:. -])(?:[0-9A-Fa-f]{2}\2){4}[0-9A-Fa-f]{2})(?!\w)"
)
_FOURS = re.compile(r"(?<!\w)([0-9A-Fa-f]{4}([.:-])[0-9A-Fa-f]{4}\2[0-9A-Fa-f]{4})(?!\w)")
_TWELVE = re.compile(r"(?<![0-9A-Za-z])([0-9A-Fa-f]{12})(?![0-9A-Za-z])")
_QUAD = re.compile(r"(?<!\d)(?<!\d\.)(\d{1,3}(?:\.\d{1,3}){3})(?!\d)(?!\.\d)")
_V6 = re.compile(r"(?<![\w:.])([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:])")
_VERSION = re.compile(
    r"(?:v|ver\.?|version|firmware|fw|rev\.?|revision|release|build)[\s:=#_-]*\Z", re.IGNORECASE
)


def told_by_form(text: str) -> Said:
    """Kind and text of each."""
    for kind, form in _FORMS:
        for said in form.finditer(text):
            yield kind, said[1].strip()
    for said in _DOMAINS.finditer(text):
        yield NAME, said[1]
    yield from _macs(text)
    for said in _QUAD.finditer(text):
        if is_address(said[1]) and not _is_version(text[: said.start()], said[1]):
            yield IP, said[1]
    for said in _V6.finditer(text):
        if _is_v6(said[1]):
            yield IP, said[1]


def _macs(text: str) -> Said:
    """Where no colon or dash shows that they are, they hold digits and letters."""
    for form in (_PAIRS, _FOURS, _TWELVE):
        for said in form.finditer(text):
            if (form is _PAIRS and said[2] in ":-") or _is_mixed(said[1]):
                yield MAC, said[1]


def is_address(quad: str) -> bool:
    """Whether four numbers are a host's or a network's address, and no mask, loopback or group."""
    widths = {len(part) for part in quad.split(".")}
    octets = [int(part) for part in quad.split(".")]
    plain = ".".join(map(str, octets)) == quad or widths == {3}
    return plain and max(octets) < 256 and 0 < octets[0] < 224 and octets[0] != 127


def _is_version(before: str, quad: str) -> bool:
    """Versions look like addresses: by the word before them, and no site has addresses below 10."""
    return int(quad.partition(".")[0]) < 10 or _VERSION.search(before[-20:]) is not None


def _is_mixed(text: str) -> bool:
    return any(letter.isdigit() for letter in text) and any(letter.isalpha() for letter in text)


def _is_v6(text: str) -> bool:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)
