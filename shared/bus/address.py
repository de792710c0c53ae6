"""Where the broker is, and how its certificate is checked: always, whatever the URL says."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pika import SSLOptions, URLParameters

HEARTBEAT_S = 20
_LONGEST_HEARTBEAT_S = 600
_MAY_BE_ASKED = {"heartbeat"}

# OpenSSL's X509_V_ERR_…
_CERTIFICATE = {
    9: "is not valid yet; is this box's clock right?",
    10: "has expired; renew it, or is this box's clock wrong?",
    18: "is signed by itself and by nobody that is trusted here; name its CA in …_BUS_CA_FILE",
    62: "is for another name; is the host in the broker's URL one that it has?",
    64: "is not for this address; is the host in the broker's URL one that it has?",
}
_UNKNOWN_CA = "is signed by an authority that is not trusted here; name its CA in …_BUS_CA_FILE"


def parameters_of(url: str, name: str, ca_file: Path | None = None) -> URLParameters:
    """What `url` says, with a heartbeat where it sets none.

    Args:
        name: what the broker shows for this connection.
        ca_file: PEM of authorities that are trusted beside the system's.

    Raises:
        ValueError: not a broker's URL, or one that asks for what is not given; or no such file.
            No part of the URL but a query's key is in the text: it holds a password.
    """
    try:
        if not url.startswith(("amqp://", "amqps://")):
            raise ValueError
        query = urlsplit(url).query
        parameters = URLParameters(url.replace(f"?{query}", "", 1) if query else url)
    except (ValueError, TypeError):
        raise ValueError(
            "the broker's URL is not of the form amqp://user:password@host:port/vhost"
            " (what is special in user, password and vhost is percent-encoded)"
        ) from None
    parameters.heartbeat = _heartbeat_s(query)
    parameters.client_properties = {"connection_name": name}
    if parameters.ssl_options is not None:
        parameters.ssl_options = SSLOptions(_trust(ca_file), parameters.host)
    return parameters


def _heartbeat_s(query: str) -> int:
    asked = dict(parse_qsl(query, keep_blank_values=True))
    for key in asked.keys() - _MAY_BE_ASKED:
        why = "TLS is always verified" if key == "ssl_options" else "only ?heartbeat=SECONDS may be"
        raise ValueError(f"the broker's URL: {key[:40]!a} cannot be set there; {why}")
    said = asked.get("heartbeat", str(HEARTBEAT_S))
    if not said.isascii() or not said.isdecimal() or not 0 < int(said) <= _LONGEST_HEARTBEAT_S:
        raise ValueError(
            f"the broker's URL: heartbeat is 1 to {_LONGEST_HEARTBEAT_S} seconds:"
            " without one a broker that is cut off is never missed"
        )
    return int(said)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file}: holds no certificate in PEM") from None
    except OSError as error:
        raise ValueError(f"{ca_file}: cannot be read: {error.strerror}") from None
    return context


def tls_in_words(error: ssl.SSLError) -> str:
    """Why a connection with TLS did not come up."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate {_CERTIFICATE.get(error.verify_code, _UNKNOWN_CA)}"
    return f"no TLS that can be used is spoken there ({(error.reason or 'no reason given')[:100]})"
