"""The hub's own certificate authority, made on first start, and the certificate it signs.

The CA may sign for this host's names only (critical name constraints, RFC 5280 section
4.2.1.10), so that trusting it on a site's box lets nobody stand in for another server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.files import write_private

_CA_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=90)
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(days=1)  # a site's clock may be behind the hub's
_ALWAYS = ("localhost", "127.0.0.1", "::1")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class CaError(Exception):
    """The CA cannot sign what is wanted; the text says why and what to do."""


class CaFiles(NamedTuple):
    """PEM files; `cert` and `key` are one file, so that they are always replaced together."""

    ca_cert: Path
    cert: Path
    key: Path
    fingerprint: str  # "sha256:HEX" of the CA's DER; what a site pins


def ensure_ca(folder: Path, names: Iterable[str], now: datetime) -> CaFiles:
    """The CA and a server certificate in `folder`, made or renewed where that is due.

    Args:
        names: DNS names and addresses of this host; localhost is always added.

    Raises: CaError.
    """
    wanted = _san([*names, *_ALWAYS])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    ca_cert, ca_key, server = folder / "ca.pem", folder / "ca.key", folder / "server.pem"
    if not ca_cert.exists():
        _make_ca(ca_cert, ca_key, wanted, now)
    authority, signing = _load(ca_cert, ca_key)
    _may_sign(authority, wanted, folder, now)
    if not _still_good(server, authority, wanted, now):
        _make_leaf(server, authority, signing, wanted, now)
    digest = authority.fingerprint(hashes.SHA256()).hex()
    return CaFiles(ca_cert, server, server, f"sha256:{digest}")


def _san(names: Iterable[str]) -> list[x509.GeneralName]:
    found: dict[str, x509.GeneralName] = {}
    for name in names:
        try:
            address = ip_address(name)
            found[str(address)] = x509.IPAddress(address)
        except ValueError:
            lower = name.lower().rstrip(".")
            if not _DNS_NAME.fullmatch(lower) or len(lower) > 253:
                raise CaError(f"{name[:100]!r} is neither a host's name nor an address") from None
            found[lower] = x509.DNSName(lower)
    return [found[key] for key in sorted(found)]


def _subtrees(names: Sequence[x509.GeneralName]) -> list[x509.GeneralName]:
    return [
        x509.IPAddress(ip_network(name.value)) if isinstance(name, x509.IPAddress) else name
        for name in names
    ]


def _make_ca(cert: Path, key: Path, names: Sequence[x509.GeneralName], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    signed = (
        _builder("Pagetally hub CA", private.public_key(), now, now + _CA_LIFE)
        .issuer_name(_common_name("Pagetally hub CA"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(_subtrees(names), None), critical=True)
        .sign(private, hashes.SHA256())
    )
    write_private(key, _key_pem(private))  # first: a certificate that is there has its key
    write_private(cert, signed.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _make_leaf(
    server: Path,
    authority: x509.Certificate,
    signing: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName],
    now: datetime,
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    end = min(now + _LEAF_LIFE, authority.not_valid_after_utc)
    signed = (
        _builder("Pagetally hub", private.public_key(), now, end)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )
    write_private(server, _key_pem(private) + signed.public_bytes(serialization.Encoding.PEM))


def _builder(
    name: str, public: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(cert: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate(cert.read_bytes())
        signing = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CaError(
            f"{cert.parent}: the CA cannot be read ({error}); restore ca.pem and ca.key from a"
            " backup, or remove the folder and give each site the new install line"
        ) from None
    if (
        not isinstance(signing, ec.EllipticCurvePrivateKey)
        or signing.public_key() != authority.public_key()
    ):
        raise CaError(
            f"{cert.parent}: ca.key is not the key of ca.pem; restore both from one backup"
        )
    return authority, signing


def _may_sign(
    authority: x509.Certificate,
    wanted: Sequence[x509.GeneralName],
    folder: Path,
    now: datetime,
) -> None:
    anew = f"remove {folder} and give each site the new install line"
    if now >= authority.not_valid_after_utc:
        raise CaError(
            f"the CA in {folder} ended on {authority.not_valid_after_utc:%Y-%m-%d}; {anew}"
        )
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    allowed = limits.permitted_subtrees or []
    beyond = [
        _spelled(name)
        for name, tree in zip(wanted, _subtrees(wanted), strict=True)
        if tree not in allowed
    ]
    if beyond:
        raise CaError(
            f"the CA in {folder} was made for {', '.join(_spelled(tree) for tree in allowed)} and"
            f" may not sign for {', '.join(beyond)}; use one of its names, or {anew}"
        )


def _spelled(name: x509.GeneralName) -> str:
    return str(name.value).removesuffix("/32").removesuffix("/128")


def _still_good(
    server: Path, authority: x509.Certificate, wanted: Sequence[x509.GeneralName], now: datetime
) -> bool:
    try:
        pem = server.read_bytes()
        leaf = x509.load_pem_x509_certificate(pem)
        private = serialization.load_pem_private_key(pem, None)
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001  (whatever is wrong with it, it is made anew)
        return False
    end = min(leaf.not_valid_after_utc - _RENEW_BEFORE, authority.not_valid_after_utc)
    return (
        private.public_key() == leaf.public_key()
        and list(names) == list(wanted)
        and leaf.not_valid_before_utc <= now < end
    )


def _key_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
