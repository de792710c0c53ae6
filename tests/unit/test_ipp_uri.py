"""What a person types for an IPP printer."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ipp_uri import IppUri, IppUriError, ipp_uri_of


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("ipp://10.0.0.7/ipp/print", IppUri(False, "10.0.0.7", 631, "/ipp/print")),
        (" IPPS://Hall.Example:8631/ipp ", IppUri(True, "hall.example", 8631, "/ipp")),
        ("ipp://[fd00::7]:60000", IppUri(False, "fd00::7", 60000, "")),
        ("ipp://localhost:60001/ipp/print", IppUri(False, "localhost", 60001, "/ipp/print")),
        ("ipp://pc/printers/2nd%20floor", IppUri(False, "pc", 631, "/printers/2nd%20floor")),
    ],
)
def test_a_uri_is_host_port_and_path(typed: str, uri: IppUri) -> None:
    assert ipp_uri_of(typed) == uri
    assert ipp_uri_of(str(uri)) == uri


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("http://10.0.0.7/ipp", "is written ipp://"),
        ("ipp:10.0.0.7", "is written ipp://"),
        ("ipp://10.0.0.7:x/", "is written ipp://"),
        ("ipp://10.0.0.7:0/", "is written ipp://"),
        ("ipp://[fd00::7/", "is written ipp://"),
        ("ipp://10.0.0.256/", "neither an address nor a name"),
        ("ipp://a b/", "neither an address nor a name"),
        ("ipp://[fe80::1%25eth0]/", "zone"),
        ("ipp://me:secret@10.0.0.7/", "write it without"),
        ("ipp://10.0.0.7/ipp?x=1", "path"),
        ("ipp://10.0.0.7/a\r\nHost: b", "path"),
        ("ipp://10.0.0.7/" + "a" * 300, "at most 255"),
    ],
)
def test_what_is_none_is_told_without_any_secret(typed: str, reason: str) -> None:
    with pytest.raises(IppUriError, match=reason) as told:
        ipp_uri_of(typed)

    assert "secret" not in str(told.value)


@given(st.text(max_size=40).map(lambda rest: f"ipp://{rest}"))
def test_any_text_is_a_uri_or_is_refused(typed: str) -> None:
    with suppress(IppUriError):
        uri = ipp_uri_of(typed)
        assert ipp_uri_of(str(uri)) == uri
