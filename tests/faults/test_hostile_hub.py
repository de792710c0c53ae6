"""Ingest as its own process, over HTTPS and on a real database, against whoever sends anything."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from services.ingest.keys import add_key
from services.ingest.sites import add_customer, add_site
from services.solo.ca import ensure_ca
from shared.clock import utc_now
from shared.store.postgres import Store, open_store
from tests.faults.hostile import Hostile, hostile
from tests.unit.ingest.batches import batch, line, meter_read

LONG = os.environ.get("PAGETALLY_FAULTS") == "long"
BODIES = 10_000 if LONG else 200
SCHEMA_S = 600 if LONG else 8
AT_ONCE = 200
SITES = 4
MOST_MIB = 300


class Hub(NamedTuple):
    process: subprocess.Popen[bytes]
    url: str
    ca: Path
    keys: list[str]

    @property
    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        trust = ssl.create_default_context(cafile=self.ca)
        async with httpx.AsyncClient(
            base_url=self.url, verify=trust, limits=limits, timeout=60, trust_env=False
        ) as client:
            yield client


async def _keys(url: str) -> list[str]:
    async with open_store(url) as store:
        await add_customer(store, "Acme")
        return [await add_key(store, await add_site(store, "Acme", f"s{n}")) for n in range(SITES)]


@pytest.fixture
def hub(store_url: str, tmp_path: Path) -> Iterator[Hub]:
    ca = ensure_ca(tmp_path / "ca", ["localhost"], utc_now())
    keys = asyncio.run(_keys(store_url))
    log = tmp_path / "ingest.log"
    many = str(10**9)
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.cli", "ingest"],
            stderr=said,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "INGEST_DATABASE_URL": store_url,
                "INGEST_PORT": "0",
                "INGEST_TLS_CERT": str(ca.cert),
                "INGEST_TLS_KEY": str(ca.key),
                "INGEST_CA_FILE": str(ca.ca_cert),
                "INGEST_LOG_FORMAT": "json",
                "INGEST_REQUESTS_A_MINUTE": many,
                "INGEST_KIB_A_MINUTE": many,
                "INGEST_MESSAGES_A_MINUTE": many,
                "INGEST_UNKNOWN_KEYS_A_MINUTE": many,
            },
        )
    try:
        yield Hub(process, f"https://localhost:{_port(log)}", ca.ca_cert, keys)
        assert "Traceback" not in log.read_text(encoding="utf-8")
        for key in keys:
            assert key[3:] not in log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait(5)


def _port(log: Path) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for said in log.read_text(encoding="utf-8").splitlines():
            if '"ingest ready"' in said:
                return int(json.loads(said)["port"])
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8"))


def test_what_its_openapi_says_is_what_it_does(hub: Hub, tmp_path: Path) -> None:
    """Schemathesis, with all its checks: in the long form it tries others each time."""
    seed = [] if LONG else ["--seed", "1"]
    said = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{hub.url}/v1/openapi.json"),
            *("--tls-verify", str(hub.ca), "-H", f"Authorization: Bearer {hub.keys[0]}"),
            *("--checks", "all", "--max-time", str(SCHEMA_S), "--continue-on-failure"),
            *("--no-shrink", "--no-color", *seed),
        ],
        capture_output=True,
        text=True,
        timeout=SCHEMA_S + 120,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )

    assert said.returncode == 0, said.stdout[-8000:] + said.stderr[-2000:]
    assert hub.peak_mib < MOST_MIB


async def test_hostile_bodies_are_refused_and_take_no_memory(
    hub: Hub, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("PAGETALLY_SEED", random.randrange(2**32)))
    with capsys.disabled():
        sys.stdout.write(f" PAGETALLY_SEED={seed} ")
    dice = random.Random(seed)
    bodies = hostile(dice, BODIES)
    told: Counter[str] = Counter()
    async with hub.client() as client:

        async def send() -> None:
            for one in bodies:
                key = dice.choice(hub.keys)
                told[_fault(one, await _answered(client, one, key, told))] += 1

        async with asyncio.TaskGroup() as senders:
            for _ in range(AT_ONCE):
                senders.create_task(send())
        peak = hub.peak_mib
        taken = await client.post(
            "/v1/events",
            content=batch([line(1, meter_read(1))]),
            headers={"Authorization": f"Bearer {hub.keys[0]}"},
        )
        health = await client.get("/healthz")

    with capsys.disabled():
        sys.stdout.write(f" {BODIES} bodies, {peak:.0f} MiB at most, {dict(told)} ")
    told.pop("busy", None)
    assert set(told) == {"as it should be"}
    assert [it["status"] for it in taken.json()["results"]] == ["accepted"]
    assert health.text == "ok\n"
    assert peak < MOST_MIB


async def _answered(
    client: httpx.AsyncClient, one: Hostile, key: str, told: Counter[str]
) -> httpx.Response:
    """Sent again as long as the hub says that it is busy."""
    headers = {"Authorization": f"Bearer {key}", **one.headers}
    while True:
        answer = await client.post("/v1/events", content=one.body, headers=headers)
        if answer.status_code != 503:
            return answer
        told["busy"] += 1
        await asyncio.sleep(float(answer.headers.get("Retry-After", 5)) / 5)


def _fault(one: Hostile, answer: httpx.Response) -> str:
    if 400 <= answer.status_code < 500 and answer.json()["error"]:
        return "as it should be" if one.whole else f"{one.kind}: {answer.text[:80]}"
    if answer.status_code == 200 and not one.whole:
        statuses = {result["status"] for result in answer.json()["results"]}
        return "as it should be" if statuses == {"rejected"} else f"{one.kind}: {statuses}"
    return f"{one.kind}: {answer.status_code} {answer.text[:80]}"
