"""How the hub's database is reached: with TLS that is verified, or on this box.

libpq's own default, sslmode=prefer, believes whoever answers, with or without TLS.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

_SHAPE = "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_STORES = (  # of Debian, Fedora, Alpine and macOS, SUSE
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)


def verified(url: str) -> str:
    """What libpq is given for `url`: elsewhere than on this box, sslmode=verify-full always.

    Raises: ValueError, for a URL that is none, or that asks for less.
    """
    said = _said(url)
    if _is_local(said):
        return url
    asked = said.get("sslmode", "verify-full")
    if asked != "verify-full":
        raise ValueError(
            f"sslmode={asked} would believe whoever answers; leave it out: a database elsewhere"
            " than on this box is always verified, and sslrootcert=FILE names its authority"
        )
    if said.get("ssl_min_protocol_version", "TLSv1.2") not in ("TLSv1.2", "TLSv1.3"):
        raise ValueError("ssl_min_protocol_version must be TLSv1.2 or TLSv1.3; leave it out")
    if {**_defaults(), **said}.get("sslrootcert", "system") == "system":
        said["sslrootcert"] = _system_store()
    said.setdefault("ssl_min_protocol_version", "TLSv1.2")
    return make_conninfo("", **{**said, "sslmode": "verify-full", "gssencmode": "disable"})


def is_on_this_box(url: str) -> bool:
    """Raises: ValueError, for what is no URL."""
    return _is_local(_said(url))


def _said(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:  # its text may hold the password
        raise ValueError(_SHAPE) from None


def _is_local(said: dict[str, str]) -> bool:
    """Whether every host is loopback or a unix socket; PGHOST and the like count too."""
    params = {**_defaults(), **said}
    hosts = [params.get("host", ""), params.get("hostaddr", "")]
    return "service" not in params and all(
        _is_here(host) for each in hosts for host in each.split(",")
    )


def _is_here(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _defaults() -> dict[str, str]:
    """What libpq takes from its environment."""
    options = Conninfo.get_defaults()
    return {each.keyword.decode(): each.val.decode() for each in options if each.val}


def _system_store() -> str:
    """A file: the OpenSSL that psycopg brings along looks in a folder of its own."""
    own = ssl.get_default_verify_paths().cafile
    return next((each for each in (own, *_STORES) if each and Path(each).exists()), "system")


_ADVICE = {
    "certificate verify failed": "set sslrootcert=FILE in its URL to the PEM of its authority",
    "does not match host name": "its URL must name it as its certificate does",
    "does not support SSL": "a database elsewhere than on this box needs TLS: set ssl=on there",
    "root certificate file": "sslrootcert in its URL names a file that is not there",
}


def advice_of(error: Exception) -> str:
    """What to try where TLS failed, "; …"; nothing for another error."""
    said = str(error)
    return next((f"; {advice}" for words, advice in _ADVICE.items() if words in said), "")
