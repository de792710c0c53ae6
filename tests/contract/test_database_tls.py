"""A database elsewhere than on this box is believed by its certificate alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.solo.ca import CaFiles, ensure_ca
from shared.store.backup import backup
from shared.store.postgres import StoreError, migrate, open_store
from shared.store.tls import verified
from tests.peers.postgres import execute, fresh_database

_NAME = "db.example.com"
_NOBODY = 65534


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CaFiles:
    return ensure_ca(tmp_path_factory.mktemp("db") / "ca", [_NAME], datetime.now(UTC))


@pytest.fixture
def server(debian_postgres: str, files: CaFiles) -> Iterator[str]:
    """Speaks TLS as db.example.com; its URL on loopback, with a database."""
    [(folder,)] = execute(f"{debian_postgres}/postgres", "show data_directory")
    served = Path(folder, "server.pem")
    served.write_bytes(files.cert.read_bytes())
    served.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(served, _NOBODY, _NOBODY)
    _set(debian_postgres, ssl_cert_file=f"'{served}'", ssl_key_file=f"'{served}'", ssl="on")
    with fresh_database(debian_postgres, template="template0") as url:
        yield url
    _set(debian_postgres, ssl="off")


def _set(server: str, **settings: str) -> None:
    for name, value in settings.items():
        execute(f"{server}/postgres", f"alter system set {name} = {value}")
    execute(f"{server}/postgres", "select pg_reload_conf(), pg_sleep(0.2)")


def called(name: str, url: str, **parameters: object) -> str:
    """The URL of the same database, as on another box of that name."""
    parts = urlsplit(url)
    said = "&".join(f"{key}={value}" for key, value in parameters.items())
    at = f"{parts.username}:{parts.password}@{name}:{parts.port}"
    return f"postgresql://{at}{parts.path}?hostaddr=127.0.0.1&{said}"


async def test_a_database_with_a_certificate_by_the_authority_that_is_named_is_used(
    server: str, files: CaFiles, tmp_path: Path
) -> None:
    url = called(_NAME, server, sslrootcert=files.ca_cert)

    async with open_store(url) as store, store.transaction() as connection:
        found = await connection.execute(
            "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        )
        secured = await found.fetchone()
    await asyncio.to_thread(backup, url, tmp_path / "dump")

    assert secured == {"ssl": True, "version": "TLSv1.3"}
    assert (tmp_path / "dump").stat().st_size > 1000


def test_the_system_s_authorities_count_where_none_is_named(
    server: str, files: CaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="certificate verify failed; set sslrootcert=FILE"):
        asyncio.run(migrate(called(_NAME, server)))

    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca_cert))
    assert asyncio.run(migrate(called(_NAME, server)))


def test_another_authority_is_refused(server: str, tmp_path: Path) -> None:
    other = ensure_ca(tmp_path / "other", [_NAME], datetime.now(UTC))

    with pytest.raises(StoreError, match="certificate verify failed; set sslrootcert=FILE"):
        asyncio.run(migrate(called(_NAME, server, sslrootcert=other.ca_cert)))


def test_another_name_is_refused(server: str, files: CaFiles) -> None:
    url = called("other.example.com", server, sslrootcert=files.ca_cert)

    with pytest.raises(StoreError, match="its URL must name it as its certificate does"):
        asyncio.run(migrate(url))


def test_a_database_without_tls_is_refused(debian_postgres_url: str, files: CaFiles) -> None:
    url = called(_NAME, debian_postgres_url, sslrootcert=files.ca_cert)

    with pytest.raises(StoreError, match="needs TLS: set ssl=on there"):
        asyncio.run(migrate(url))


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_a_url_that_asks_for_less_is_refused_before_anything_is_sent(mode: str) -> None:
    with pytest.raises(StoreError, match=f"sslmode={mode} would believe whoever answers") as told:
        asyncio.run(migrate(f"postgresql://u:hunter2@{_NAME}/d?sslmode={mode}"))
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://u:p@127.0.0.1:5432/d", True),
        ("postgresql://u:p@[::1]/d", True),
        ("postgresql://u:p@localhost/d", True),
        ("postgresql:///d", True),
        ("postgresql:///d?host=/run/postgresql", True),
        ("postgresql://u:p@127.0.0.1,db/d", False),
        ("postgresql://u:p@localhost/d?hostaddr=10.0.0.7", False),
        ("postgresql://u:p@postgres/d", False),
        ("postgresql:///d?service=hub", False),
        ("postgresql://u:p@10.0.0.7/d?sslmode=verify-full", False),
    ],
)
def test_only_loopback_and_unix_sockets_are_on_this_box(
    url: str, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)

    assert (verified(url) == url) is local
    assert ("sslmode=verify-full" in verified(url).replace("?", " ")) is not local


def test_a_host_that_libpq_would_take_from_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", _NAME)
    monkeypatch.setenv("PGSSLMODE", "disable")

    assert "sslmode=verify-full" in verified("postgresql:///d")


@pytest.mark.parametrize("parameter", ["ssl_min_protocol_version=TLSv1", "sslmode="])
def test_older_tls_is_refused(parameter: str) -> None:
    with pytest.raises(ValueError, match="leave it out"):
        verified(f"postgresql://{_NAME}/d?{parameter}")


def test_what_is_no_url_is_told_without_its_password() -> None:
    with pytest.raises(StoreError, match="must be postgresql://") as told:
        asyncio.run(migrate("pg:u:hunter2@db"))
    assert "hunter2" not in f"{told.value} {told.value.__cause__}"
