"""Ingest as its own process over TLS, and the admin commands, as an operator runs them."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.store.postgres import migrate
from tests.peers.postgres import execute, fresh_database
from tests.unit.ingest.batches import batch, line, meter_read


def pagetally(*words: str, url: str = "", code: int = 0) -> str:
    """What a command printed on stdout; on stderr where it is to fail."""
    said = subprocess.run(
        [sys.executable, "-m", "services.cli", *words, *(["--database", url] if url else [])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "."},
    )
    assert said.returncode == code, said.stderr
    if code:
        assert "Traceback" not in said.stderr
        return said.stderr.strip()
    return said.stdout.strip()


def admin(url: str, *words: str, code: int = 0) -> str:
    return pagetally("admin", "--database", url, *words, code=code)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "cert.pem"


@pytest.fixture
def ingest(store_url: str, certificate: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "ingest"],
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "INGEST_DATABASE_URL": store_url,
            "INGEST_PORT": "0",
            "INGEST_TLS_CERT": str(certificate),
            "INGEST_TLS_KEY": str(certificate.with_name("key.pem")),
            "INGEST_CA_FILE": str(certificate),
            "INGEST_LOG_FORMAT": "json",
        },
    )
    assert started.stderr is not None
    ready = json.loads(started.stderr.readline())
    assert ready["event"] == "ingest ready", ready
    yield started, ready["port"]
    started.kill()
    started.wait(5)
    started.stderr.close()


def test_a_batch_goes_in_over_tls_and_sigterm_ends_the_service(
    ingest: tuple[subprocess.Popen[str], int], store_url: str, certificate: Path
) -> None:
    running, port = ingest
    admin(store_url, "customer", "add", "Acme")
    admin(store_url, "site", "add", "Acme", "hq")
    key = admin(store_url, "site", "key", "hq")
    trust = ssl.create_default_context(cafile=certificate)
    with httpx.Client(verify=trust, base_url=f"https://127.0.0.1:{port}") as client:
        assert client.get("/v1/ca.pem").content == certificate.read_bytes()
        answer = client.post(
            "/v1/events",
            content=batch([line(1, meter_read(1))]),
            headers={"Authorization": f"Bearer {key}"},
        )
    assert answer.json()["results"] == [{"n": 1, "status": "accepted", "reason": None}]
    assert key not in admin(store_url, "site", "list", "--json")

    begun = time.monotonic()
    running.terminate()
    assert running.wait(10) == 0
    assert time.monotonic() - begun < 5

    said = pagetally("explain", str(meter_id(store_url)), "total", url=store_url)
    assert "total = 1001 impressions" in said


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1])
def test_tls_older_than_1_2_is_refused(
    newest: ssl.TLSVersion, ingest: tuple[subprocess.Popen[str], int], certificate: Path
) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    trust.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        trust.minimum_version = ssl.TLSVersion.TLSv1
        trust.maximum_version = newest
    with socket.create_connection(("127.0.0.1", ingest[1]), 5) as connection:
        try:
            with trust.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                spoken = secured.version()
        except ssl.SSLError:
            spoken = None

    assert spoken == ("TLSv1.2" if newest == ssl.TLSVersion.TLSv1_2 else None)


def meter_id(url: str) -> Any:
    return execute(url, "select id from read")[0][0]


@pytest.mark.parametrize(
    ("setting", "value", "code", "told"),
    [
        ("INGEST_DATABASE_URL", "postgresql://x@127.0.0.1:1/x", 1, "database: "),
        ("INGEST_TLS_CERT", "/nowhere.pem", 1, "No such file"),
        ("INGEST_PROT", "1", 2, "INGEST_PROT: unknown setting; did you mean INGEST_PORT?"),
        ("INGEST_PORT", "99999", 2, "INGEST_PORT: "),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(
    store_url: str, setting: str, value: str, code: int, told: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "INGEST_DATABASE_URL": store_url, setting: value}

    ended = subprocess.run(
        [sys.executable, "-m", "services.cli", "ingest"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
    )

    assert ended.returncode == code
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_what_cannot_be_done_is_one_line_and_exit_1(store_url: str, tmp_path: Path) -> None:
    admin(store_url, "customer", "add", "Acme", "--time-zone", "Europe/Berlin")
    admin(store_url, "site", "add", "Acme", "hq")
    bad = tmp_path / "scope.json"
    bad.write_text('{"segmets": []}', encoding="utf-8")
    for words, told in (
        (("customer", "add", "Acme"), "there is a customer 'Acme' already"),
        (("customer", "add", "B", "--time-zone", "Mars/Base"), "no time zone is called"),
        (("site", "add", "Nobody", "x"), "there is no customer 'Nobody'"),
        (("site", "add", "Acme", "two words"), "a site's name has letters"),
        (("site", "key", "lost"), "there is no site 'lost'"),
        (("site", "scope", "hq", str(bad)), "not a scope: "),
        (("site", "revoke", "hq"), "no such key in force"),
        (("recipient", "add", "Acme", "not-an-address"), "is not a mail address"),
        (("schedule", "add", "Acme", "0 6 32 * *"), "is no schedule"),
        (("restore", "/nowhere.dump"), "no such file"),
    ):
        said = admin(store_url, *words, code=1)
        assert said.startswith("pagetally: ")
        assert told in said
        assert "\n" not in said


def test_recipients_and_schedules_are_listed_as_they_were_added(store_url: str) -> None:
    admin(store_url, "customer", "add", "Acme", "--time-zone", "Europe/Berlin")
    admin(store_url, "recipient", "add", "Acme", "billing@example.com")
    admin(store_url, "schedule", "add", "Acme", "0 6 1 * *")

    assert json.loads(admin(store_url, "recipient", "list", "--json")) == {
        "customer": "Acme",
        "address": "billing@example.com",
    }
    assert admin(store_url, "schedule", "list") == "Acme\t0 6 1 * *\tEurope/Berlin"
    admin(store_url, "schedule", "remove", "Acme", "0 6 1 * *")
    assert admin(store_url, "schedule", "list") == ""


@pytest.mark.parametrize("into", ["embedded", "debian"])
def test_a_backup_restores_all_rows_there_and_on_an_older_server(
    store_url: str,
    postgres: str,
    tmp_path: Path,
    into: str,
    request: pytest.FixtureRequest,
) -> None:
    admin(store_url, "customer", "add", "Acme")
    admin(store_url, "site", "add", "Acme", "hq")
    file = tmp_path / "hub.dump"

    admin(store_url, "backup", str(file))

    assert file.stat().st_mode & 0o777 == 0o600
    base = postgres if into == "embedded" else request.getfixturevalue("debian_postgres")
    with fresh_database(base, template="template0") as url:
        asyncio.run(migrate(url))  # a hub that was started once, and is empty
        admin(url, "restore", str(file))
        assert admin(url, "site", "list") == admin(store_url, "site", "list")
        with pytest.raises(Exception, match="append-only"):
            execute(url, "truncate message")
        assert "holds 1 customers already" in admin(url, "restore", str(file), code=1)
