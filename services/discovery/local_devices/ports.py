r"""What a spooler's port leads to; pure.

Windows tells it by the port's name, and by its monitor and description where those are listed;
CUPS by its device-uri.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from shared.text import clean

Kind = Literal["usb", "lpt", "fax", "scan", "tcp", "wsd", "other"]

_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
_Forms = tuple[tuple[Kind, re.Pattern[str]], ...]
_NAMES: _Forms = (
    ("usb", re.compile(r"^(dot4_?|usb|virtusb)\d{1,4}(:|,|$)", re.IGNORECASE)),
    ("lpt", re.compile(r"^lpt\d{1,3}:?(,|$)", re.IGNORECASE)),
    ("fax", re.compile(r"^(shr)?fax\d{0,3}:?$", re.IGNORECASE)),
    ("wsd", re.compile(r"^wsd[-_ ]", re.IGNORECASE)),
    ("tcp", re.compile(r"^ip_", re.IGNORECASE)),
)
# what a monitor or description says; the words between differ by language
_SAID: _Forms = (
    ("tcp", re.compile(r"tcp ?/ ?ip|tcpmon", re.IGNORECASE)),
    ("wsd", re.compile(r"\bwsd\b", re.IGNORECASE)),
    ("usb", re.compile(r"\b(usb|dot4)", re.IGNORECASE)),
    ("fax", re.compile(r"\bfax\b", re.IGNORECASE)),
)
_WORDS: _Forms = (
    ("fax", re.compile(r"\bfax\d{0,3}\b", re.IGNORECASE)),
    ("scan", re.compile(r"\bscan(ner)?\d{0,3}\b", re.IGNORECASE)),
)
# queues that end in a file, a question or another session's printer
_VIRTUAL_PORTS = re.compile(
    r"nul:?$|portprompt:|file:?$|xpsport:|(.*\\)?microsoft\.?office\.?onenote|onenote|pdf\w*:"
    r"|(inactive )?ts\d{1,4}$|[a-z]:\\|.*\.(pdf|xps|prn)$|cpw2:",
    re.IGNORECASE,
)
_VIRTUAL_DRIVERS = re.compile(
    r"microsoft (print to pdf|xps document writer)|(send to )?(microsoft )?onenote"
    r"|remote desktop easy print|adobe pdf|pdfcreator|cutepdf",
    re.IGNORECASE,
)
_IPV4_IN = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")


_HPLIP_BUSES: Mapping[str, Kind] = {"usb": "usb", "par": "lpt", "net": "tcp"}


class Port(NamedTuple):
    """What a queue's port leads to.

    `address` is the host at the other end of a network port as the spooler calls it, an address or
    a name; None: it is on no network, or its port does not say where. `maker`, `model` and `serial`
    are what a CUPS device-uri holds.
    """

    kind: Kind
    address: str | None = None
    maker: str | None = None
    model: str | None = None
    serial: str | None = None


def windows_port(name: str, monitor: str | None = None, description: str | None = None) -> Port:
    r"""By `USB001`, `IP_10.0.0.7`, `WSD-…`, `SHRFAX:`, `\\server\queue` and others."""
    kind = _first(_NAMES, name)
    for said in (monitor, description):
        kind = kind or _first(_SAID, said)
    if kind is None:
        kind = _first(_WORDS, name)
    if kind == "tcp":
        return Port("tcp", _host_of(name))
    # where no list of ports is had: Windows names a Standard TCP/IP Port by its address
    address = _address_in(name) if kind is None else None
    return Port("tcp", address) if address else Port(kind or "other")


def is_virtual(port_name: str, driver: str | None) -> bool:
    """Whether no device is behind a queue: its pages end in a file or in another session."""
    return bool(_VIRTUAL_PORTS.match(port_name) or (driver and _VIRTUAL_DRIVERS.match(driver)))


def cups_port(device_uri: str) -> Port | None:
    """By a device-uri; None where no device is behind the queue."""
    try:
        parts = urlsplit(device_uri)
        host = parts.hostname
        query = {key: values[0] for key, values in parse_qs(parts.query, max_num_fields=20).items()}
    except ValueError:
        return Port("other")
    scheme = parts.scheme.lower()
    if scheme in ("file", "cups-pdf", "implicitclass"):
        return None
    if scheme == "usb":  # usb://MAKER/MODEL?serial=…
        maker, model = clean(unquote(parts.netloc)), clean(unquote(parts.path[1:]))
        return Port("usb", None, maker, model, clean(query.get("serial", "")))
    if scheme in ("hp", "hpfax"):  # hp:/usb/MODEL?serial=…, hp:/net/MODEL?ip=…
        return _of_hplip(scheme, parts.path, query)
    if scheme in ("ipp", "ipps", "http", "https", "socket", "lpd") and host:
        # ipp-usb gives what is on the computer's own USB as a printer at its loopback
        return Port("usb") if _is_loopback(host) else Port("tcp", _host_or_none(host))
    return Port("lpt" if scheme == "parallel" else "fax" if "fax" in scheme else "other")


def _of_hplip(scheme: str, path: str, query: dict[str, str]) -> Port:
    _, bus, model = (*path.split("/", 2), "", "")[:3]
    kind = _HPLIP_BUSES.get(bus, "other")
    host = query.get("ip") or query.get("hostname") or ""
    address = _host_or_none(host) if kind == "tcp" else None
    if scheme == "hpfax":
        kind = "fax"
    serial = clean(query.get("serial", ""))
    return Port(kind, address, "HP", clean(model.replace("_", " ")), serial)


def _host_of(name: str) -> str | None:
    """The host in `IP_10.0.0.7`, `10.0.0.7_1`, `10.0.0.7:9100`, `printer.office_2` and others."""
    bare = re.sub(r"(?<=.)_\d{1,3}$", "", re.sub(r"^ip_", "", name, flags=re.IGNORECASE))
    return _address_in(name) or _host_or_none(bare)


def _host_or_none(text: str) -> str | None:
    return text if _is_address(text) or re.fullmatch(_HOST, text) else None


def _address_in(name: str) -> str | None:
    bare = re.sub(r"_\d{1,3}$", "", name)
    if ":" in bare and _is_address(bare):
        return bare
    found = _IPV4_IN.search(name)
    return found[1] if found and _is_address(found[1]) else None


def _first(forms: _Forms, text: str | None) -> Kind | None:
    return next((kind for kind, form in forms if text and form.search(text)), None)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
