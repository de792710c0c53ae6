"""What a certificate says is read from any that is sound, and nothing else breaks the reader."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from services.solo.ca import ensure_ca
from shared.certificate import certificates_in, read_certificate


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ca"
    return ensure_ca(folder, ["hub.example.com"], datetime(2026, 11, 1, tzinfo=UTC)).cert


def test_names_issuer_and_days_are_those_that_others_read(server: Path) -> None:
    [read] = certificates_in(server)

    known = x509.load_pem_x509_certificate(server.read_bytes())
    assert (read.subject, read.issuer) == ("Pagetally hub", "Pagetally hub CA")
    assert read.not_before == known.not_valid_before_utc
    assert read.not_after == known.not_valid_after_utc
    assert set(read.names) == {"hub.example.com", "localhost", "127.0.0.1", "::1"}


def test_a_certificate_that_is_cut_or_changed_is_refused_or_read(server: Path) -> None:
    der = x509.load_pem_x509_certificate(server.read_bytes()).public_bytes(Encoding.DER)

    @given(st.integers(0, len(der) - 1), st.integers(0, 255), st.booleans())
    def change(at: int, octet: int, cut: bool) -> None:
        try:
            read_certificate(der[:at] if cut else der[:at] + bytes([octet]) + der[at + 1 :])
        except ValueError:
            return
        assert not cut

    change()


@given(st.binary(max_size=300))
def test_what_is_no_certificate_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_certificate(octets)


def test_what_a_certificate_calls_itself_cannot_garble_a_line(server: Path) -> None:
    der = x509.load_pem_x509_certificate(server.read_bytes()).public_bytes(Encoding.DER)

    read = read_certificate(der.replace(b"Pagetally hub CA", b"Pagetally\x1b[2J\n.."))

    assert read.issuer == "Pagetally[2J .."
