"""The hub's CA, as TLS clients see it."""

from __future__ import annotations

import hashlib
import ssl
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.solo import ca
from services.solo.ca import CaError, CaFiles, ensure_ca

_NOW = datetime.now(UTC).replace(microsecond=0)
_NAMES = ("hub.example", "10.1.2.3")


@pytest.fixture
def files(tmp_path: Path) -> CaFiles:
    return ensure_ca(tmp_path / "ca", _NAMES, _NOW)


def handshake(files: CaFiles, name: str, certificate: Path | None = None) -> str:
    """What a strict client that trusts the CA says of the server's certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate or files.cert, None if certificate else files.key)
    client = ssl.create_default_context(cafile=files.ca_cert)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return str(error.verify_message)
    return f"trusted, {ends[0].version()}"


def signed(files: CaFiles, names: Sequence[str], folder: Path) -> Path:
    """A certificate that the CA signs for any names, as one who stole its key could."""
    authority, signing = ca._load(files.ca_cert, files.ca_cert.with_name("ca.key"))
    ca._make_leaf(folder / "stolen.pem", authority, signing, ca._san(names), _NOW)
    return folder / "stolen.pem"


def leaf(files: CaFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.cert.read_bytes())


@pytest.mark.parametrize("name", ["hub.example", "10.1.2.3", "localhost", "127.0.0.1", "::1"])
def test_the_host_is_trusted_under_each_of_its_names(files: CaFiles, name: str) -> None:
    assert handshake(files, name) == "trusted, TLSv1.3"


def test_another_name_is_refused(files: CaFiles) -> None:
    assert "not valid for 'bank.example'" in handshake(files, "bank.example")


@pytest.mark.parametrize("name", ["bank.example", "10.9.9.9", "2001:db8::1"])
def test_the_ca_s_key_signs_for_no_other_host(files: CaFiles, name: str, tmp_path: Path) -> None:
    """A site that trusts the CA trusts it for the hub alone, even if its key is stolen."""
    forged = signed(files, [name], tmp_path)
    assert handshake(files, name, forged) == "permitted subtree violation"
    mixed = signed(files, ["hub.example", name], tmp_path)
    assert handshake(files, name, mixed) == "permitted subtree violation"


def test_the_fingerprint_is_that_of_the_ca_s_der(files: CaFiles) -> None:
    der = ssl.PEM_cert_to_DER_cert(files.ca_cert.read_text())
    assert files.fingerprint == "sha256:" + hashlib.sha256(der).hexdigest()


def test_keys_are_their_owner_s_alone(files: CaFiles) -> None:
    folder = files.ca_cert.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (folder / "ca.key", files.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_next_start_changes_nothing(files: CaFiles) -> None:
    before = {path: path.read_bytes() for path in files.ca_cert.parent.iterdir()}
    assert ensure_ca(files.ca_cert.parent, reversed(_NAMES), _NOW + timedelta(days=59)) == files
    assert {path: path.read_bytes() for path in files.ca_cert.parent.iterdir()} == before


def test_the_certificate_is_renewed_thirty_days_before_its_end(files: CaFiles) -> None:
    old = leaf(files)
    assert old.not_valid_after_utc - _NOW == timedelta(days=90)
    again = ensure_ca(files.ca_cert.parent, _NAMES, _NOW + timedelta(days=60))
    assert leaf(again).not_valid_after_utc - old.not_valid_after_utc == timedelta(days=60)
    assert leaf(again).public_key() != old.public_key()
    assert again.fingerprint == files.fingerprint


def test_a_name_that_went_away_is_no_longer_signed_for(files: CaFiles) -> None:
    ensure_ca(files.ca_cert.parent, ["hub.example"], _NOW)
    assert "not valid for '10.1.2.3'" in handshake(files, "10.1.2.3")
    assert handshake(files, "hub.example") == "trusted, TLSv1.3"


def test_a_name_that_the_ca_may_not_sign_for_is_told_with_what_to_do(files: CaFiles) -> None:
    with pytest.raises(CaError) as caught:
        ensure_ca(files.ca_cert.parent, ["new.example"], _NOW)
    assert "may not sign for new.example" in str(caught.value)
    assert "10.1.2.3" in str(caught.value)
    assert "install line" in str(caught.value)


def test_a_broken_certificate_is_made_anew_and_a_broken_ca_is_told(files: CaFiles) -> None:
    files.cert.write_text("half of it")
    assert handshake(ensure_ca(files.ca_cert.parent, _NAMES, _NOW), "localhost").startswith("trust")
    files.ca_cert.with_name("ca.key").unlink()
    with pytest.raises(CaError, match="restore"):
        ensure_ca(files.ca_cert.parent, _NAMES, _NOW)


def test_a_start_that_was_cut_off_before_the_ca_was_there_begins_again(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir()
    (folder / "ca.key").write_text("written before the power went")
    (folder / "ca.pem.new").write_text("half of i")
    assert handshake(ensure_ca(folder, _NAMES, _NOW), "hub.example").startswith("trusted")


def test_a_ca_that_has_ended_is_told(files: CaFiles) -> None:
    with pytest.raises(CaError, match="ended on"):
        ensure_ca(files.ca_cert.parent, _NAMES, _NOW + timedelta(days=3651))


@pytest.mark.parametrize(
    "name", ["", "two words", "*.example", "a..b", "-x", "x" * 64, "https://h"]
)
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CaError, match="neither a host's name nor an address"):
        ensure_ca(tmp_path / "ca", [name], _NOW)
