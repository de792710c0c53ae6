"""Each service becomes ready with what its manifest gives it, and writes nowhere else."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli import SERVICES
from services.ingest.keys import add_key
from services.ingest.sites import add_customer, add_site
from services.solo.ca import ensure_ca
from shared.clock import utc_now
from shared.store.postgres import open_store
from tests.docs.pods import Contents, prepare, start
from tests.docs.test_deploy import rendered
from tests.peers import free_port
from tests.peers.rabbit import PrivateRabbit

_READY_S = 60.0
_END_S = 35.0  # terminationGracePeriodSeconds
SMTP = {
    "host": "mail.example.com",
    "port": "587",
    "security": "starttls",
    "user": "meters",
    "password": "for-tests",
    "from": "meters@example.com",
}


@pytest.mark.parametrize("secrets", [{"smtp": SMTP}, {}], ids=["mail server", "no mail server"])
async def test_every_pod_becomes_ready_and_ends_when_told(
    secrets: Contents,
    rabbit: PrivateRabbit,
    rabbit_vhost: str,
    debian_postgres_url: str,
    tmp_path: Path,
) -> None:
    users = rabbit.users(rabbit_vhost.rpartition("/")[2], "discovery", "poller", "uploader")
    ca = ensure_ca(tmp_path / "ca", ["localhost"], utc_now())
    contents = {
        **secrets,
        **{f"broker-{user}": {"url": url} for user, url in users.items()},
        "database": {"url": debian_postgres_url},
        "snmp-credentials": {"head-office": "for-tests"},
        "ingest-tls": {"tls.crt": ca.cert.read_text("ascii"), "tls.key": ca.key.read_text("ascii")},
        "site-key": {"site.key": await site_key(debian_postgres_url)},
        "hub-ca": {"ca.pem": ca.ca_cert.read_text("ascii")},
    }
    ports = {each: free_port() for each in SERVICES}
    hub = f"https://localhost:{ports['ingest']}"
    on_loopback = {f"{each.upper()}_HEALTH_PORT": str(port) for each, port in ports.items()}
    on_loopback |= {
        "INGEST_HOST": "127.0.0.1",
        "INGEST_PORT": str(ports["ingest"]),
        "UPLOADER_HUB_URL": hub,
        "CONSOLE_PORT": "0",
    }
    urls = {each: f"http://127.0.0.1:{port}" for each, port in ports.items()} | {"ingest": hub}

    with running(tmp_path, contents, on_loopback) as pods:
        trust = ssl.create_default_context(cafile=ca.ca_cert)
        unready = await asyncio.to_thread(wait_until_ready, pods, urls, trust)
        said = {each: (tmp_path / each / "app" / "said").read_text("utf-8") for each in unready}
        assert said == {}
        codes = await asyncio.to_thread(end, pods)

    assert codes == dict.fromkeys(SERVICES, 0)


async def site_key(database: str) -> str:
    async with open_store(database) as store:
        await add_customer(store, "Example Ltd")
        return await add_key(store, await add_site(store, "Example Ltd", "cluster"))


@contextmanager
def running(
    folder: Path, contents: Contents, on_loopback: Mapping[str, str]
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    pods: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for service in SERVICES:
            (folder / service).mkdir()
            image, environment = prepare(folder / service, rendered("single"), service, contents)
            for name, value in on_loopback.items():
                if name.startswith(f"{service.upper()}_"):
                    environment[name] = value
            pods[service] = start(image, environment, service)
        yield pods
    finally:
        for pod in pods.values():
            pod.kill()
            pod.wait(5)


def wait_until_ready(
    pods: Mapping[str, subprocess.Popen[bytes]], urls: Mapping[str, str], trust: ssl.SSLContext
) -> set[str]:
    """Those that ended, or are not ready after a minute."""
    unready = set(pods)
    ended_by = time.monotonic() + _READY_S
    while unready and time.monotonic() < ended_by:
        for service in sorted(unready):
            if is_ready(urls[service], trust):
                unready.remove(service)
        if any(pods[service].poll() is not None for service in unready):
            break
        time.sleep(0.2)
    return unready | {service for service, pod in pods.items() if pod.poll() is not None}


def is_ready(url: str, trust: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(
            f"{url}/readyz", timeout=5, context=trust if url.startswith("https:") else None
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def end(pods: Mapping[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    for pod in pods.values():
        pod.terminate()
    return {service: pod.wait(_END_S) for service, pod in pods.items()}
