"""Ingest beside FastAPI's body parameter with executemany, both over HTTPS into one PostgreSQL.

Both are processes of their own, with a certificate of their own CA, and a database each in one
server of the embedded PostgreSQL with fsync and synchronous_commit on. Reads of about 3 kB with
supplies, 500 a batch, from several sites at once; ours come packed, as the uploader sends them,
the peer's plain, which is all that it takes.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

import psycopg

from bench import ingest_peer
from bench.ingest_load import Load, Sender
from bench.messages import office_reads
from services.ingest.keys import add_key
from services.ingest.sites import add_customer, add_site
from services.solo.ca import CaFiles, ensure_ca
from shared.clock import utc_now
from shared.message import Message
from shared.store.embedded import embedded_postgres
from shared.store.postgres import migrate, open_store

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BATCH = 500
SITES = 4  # that send at once
BATCHES = 6  # a site and round, ours
PEER_BATCHES = 1
SMALL_SITES, CUSTOMERS = 100, 10
SMALL_EVERY_S = 2.0
SMALL_BATCHES = 15  # a site
_START_S = 60.0


@dataclass
class Site:
    """A site that sends; its devices differ from other sites' devices."""

    key: str
    first_device: int
    spool: UUID = field(default_factory=uuid4)
    sent: int = 0
    rounds: int = 0

    def reads(self, count: int) -> list[Message]:
        self.rounds += 1
        taken_at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=self.rounds)
        numbers = range(self.first_device, self.first_device + count)
        return list(office_reads(numbers, uuid4(), taken_at))

    def batch(self, count: int, keep_alive: bool = True) -> bytes:
        messages = b",".join(
            b'{"n":%d,"type":"%s","body":%s}' % (n, it.routing_key.encode(), it.to_json())
            for n, it in enumerate(self.reads(count), start=self.sent + 1)
        )
        body = b'{"spool":"%s","first_unsent":%d,"last":%d,"sent_at":"%s","messages":[%s]}' % (
            *(str(self.spool).encode(), self.sent + 1, self.sent + count),
            *(utc_now().isoformat().encode(), messages),
        )
        self.sent += count
        more = ["Content-Encoding: gzip", *([] if keep_alive else ["Connection: close"])]
        return self._request(gzip.compress(body, 6), more)

    def plain(self, count: int) -> bytes:
        body = b"[" + b",".join(it.to_json() for it in self.reads(count)) + b"]"
        return self._request(body, [])

    def _request(self, body: bytes, more: list[str]) -> bytes:
        head = [
            *("POST /v1/events HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"),
            *(f"Authorization: Bearer {self.key}", f"Content-Length: {len(body)}", *more),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True)
class Server:
    pid: int
    port: int


async def run() -> None:
    with _folder() as folder, embedded_postgres(folder / "postgres") as url:
        await _compare(folder, url.rpartition("/")[0])


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pagetally-bench-ingest-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _compare(folder: Path, base: str) -> None:
    ca = ensure_ca(folder / "ca", (), utc_now())
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        for name in ("ours", "theirs"):
            connection.execute(f"create database {name}".encode())
        shown = connection.execute(
            "select current_setting('server_version'), current_setting('fsync'),"
            " current_setting('synchronous_commit')"
        ).fetchone()
        assert shown and shown[1:] == ("on", "on"), shown
    await migrate(f"{base}/ours")
    keys = await _our_keys(f"{base}/ours")
    with psycopg.connect(f"{base}/theirs", autocommit=True) as connection:
        connection.execute(ingest_peer.TABLES.encode())
        for n, key in enumerate(keys):
            connection.execute("insert into site_key values (sha256(%s), %s)", (key.encode(), n))
    sites = [Site(key, 1000 * n) for n, key in enumerate(keys)]
    size = len(sites[0].reads(1)[0].to_json())
    profile = Path(os.environ["BENCH_PROFILE"]) if "BENCH_PROFILE" in os.environ else None
    with _ours(ca, f"{base}/ours", profile) as ours, _theirs(ca, f"{base}/theirs") as theirs:
        print(
            f"ingest   reads of {size} B, {BATCH} a batch, {SITES} sites at once,"
            f" PostgreSQL {shown[0]}, fsync and synchronous_commit on",
            flush=True,
        )
        _tell_rates(*_rates(folder, ca, sites[:SITES], ours, theirs))
        with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
            connection.execute("checkpoint")  # what the rounds left to be written is theirs
        _small(folder, ca, sites, ours)
    if profile:
        print(profile.read_text(encoding="utf-8"))


async def _our_keys(url: str) -> list[str]:
    """Keys of SITES sites of a customer each, then of SMALL_SITES sites of CUSTOMERS customers."""
    keys = []
    async with open_store(url) as store:
        for n in range(SITES + CUSTOMERS):
            await add_customer(store, f"Customer {n}")
        for n in range(SITES + SMALL_SITES):
            customer = n if n < SITES else SITES + n % CUSTOMERS
            site = await add_site(store, f"Customer {customer}", f"site-{n}")
            keys.append(await add_key(store, site))
    return keys


# -- the rate ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    reads: int
    seconds: float
    server_s: float  # processor time
    postgres_s: float
    load_s: float

    @property
    def rate(self) -> float:
        return self.reads / self.seconds


def _rates(
    folder: Path, ca: CaFiles, sites: list[Site], ours: Server, theirs: Server
) -> tuple[list[Round], list[Round]]:
    pid_file = folder / "postgres/cluster/postmaster.pid"
    postmaster = int(pid_file.read_text(encoding="ascii").splitlines()[0])

    def measured(server: Server, batches: int, make: Callable[[Site], bytes]) -> Round:
        senders = [Sender([make(site) for _ in range(batches)]) for site in sites]
        before = _cpu_s(server.pid), _cpu_s(postmaster)
        said = _send(folder, Load(server.port, str(ca.ca_cert), senders))
        after = _cpu_s(server.pid), _cpu_s(postmaster)
        return Round(
            batches * len(sites) * BATCH,
            said["seconds"],
            after[0] - before[0],
            after[1] - before[1],
            said["cpu_s"],
        )

    # devices become known, and code and caches warm
    measured(ours, 1, lambda site: site.batch(BATCH))
    measured(theirs, 1, lambda site: site.plain(BATCH))
    mine, their = [], []
    for _ in range(ROUNDS):  # in turn, so that both see the same machine
        mine.append(measured(ours, BATCHES, lambda site: site.batch(BATCH)))
        their.append(measured(theirs, PEER_BATCHES, lambda site: site.plain(BATCH)))
        print(f"         {mine[-1].rate:.0f} {their[-1].rate:.0f}", flush=True)
    return mine, their


def _tell_rates(mine: list[Round], their: list[Round]) -> None:
    peer = f"FastAPI {version('fastapi')} body parameter, psycopg {version('psycopg')} executemany"
    for name, rounds in (("Pagetally", mine), (peer, their)):
        us = [
            1e6 * median(getattr(it, part) / it.reads for it in rounds)
            for part in ("server_s", "postgres_s", "load_s")
        ]
        print(
            f"         {name}: {median(it.rate for it in rounds):.0f} reads/s; processor time a"
            f" read: {us[0]:.0f} us of the service, {us[1]:.0f} of PostgreSQL, {us[2]:.0f} of who"
            " sends"
        )
    ratios = sorted(one.rate / other.rate for one, other in zip(mine, their, strict=True))
    print(f"         ratio {median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})", flush=True)


# -- small batches ----------------------------------------------------------------------------


def _small(folder: Path, ca: CaFiles, sites: list[Site], ours: Server) -> None:
    big, small = sites[0], sites[SITES:]
    first = [Sender([site.batch(3)], first_s=n / 20) for n, site in enumerate(small)]
    _send(folder, Load(ours.port, str(ca.ca_cert), first))  # devices become known
    for keep_alive in (True, False):
        for beside in (False, True):
            senders = [
                Sender(
                    [site.batch(1 + (n + k) % 3, keep_alive) for k in range(SMALL_BATCHES)],
                    every_s=SMALL_EVERY_S,
                    first_s=SMALL_EVERY_S * n / len(small),
                    keep_alive=keep_alive,
                )
                for n, site in enumerate(small)
            ]
            if beside:
                catching_up = [big.batch(BATCH) for _ in range(400)]
                senders.append(Sender(catching_up, endless=True))
            said = _send(folder, Load(ours.port, str(ca.ca_cert), senders))
            took = [1000 * it for it in said["took"]]
            print(
                f"         {len(small)} sites, 1 to 3 reads every {SMALL_EVERY_S:.0f} s,"
                f" {'connections kept' if keep_alive else 'a connection each'}"
                f"{', beside one site that catches up' if beside else ''}:"
                f" p50 {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms,"
                f" longest {took[-1]:.1f} ms of {len(took)}"
                f"{', which ended early' if said['ran_out'] else ''}",
                flush=True,
            )


# -- processes --------------------------------------------------------------------------------


@contextmanager
def _ours(ca: CaFiles, url: str, profile: Path | None) -> Iterator[Server]:
    port = _free_port()
    environment = {
        **os.environ,
        "INGEST_DATABASE_URL": url,
        "INGEST_PORT": str(port),
        "INGEST_TLS_CERT": str(ca.cert),
        "INGEST_TLS_KEY": str(ca.key),
        "INGEST_REQUESTS_A_MINUTE": "1000000",
        "INGEST_KIB_A_MINUTE": "1000000000",
        "INGEST_LOG_LEVEL": "error",
    }
    sampled = ["bench.sampled", str(profile), "services.ingest.main"]
    module = sampled if profile else ["services.cli", "ingest"]
    with _process(module, environment, port) as server:
        yield server


@contextmanager
def _theirs(ca: CaFiles, url: str) -> Iterator[Server]:
    port = _free_port()
    arguments = ["bench.ingest_peer", url, str(port), str(ca.cert)]
    with _process(arguments, dict(os.environ), port) as server:
        yield server


@contextmanager
def _process(module: list[str], environment: dict[str, str], port: int) -> Iterator[Server]:
    child = subprocess.Popen([sys.executable, "-P", "-m", *module], env=environment)
    try:
        end = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if child.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{module[0]} did not start") from None
                time.sleep(0.1)
        yield Server(child.pid, port)
    finally:
        child.terminate()
        child.wait(40)


def _send(folder: Path, load: Load) -> dict:
    file = folder / "load"
    file.write_bytes(pickle.dumps(load))
    command = [sys.executable, "-P", "-m", "bench.ingest_load", str(file)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600)
    return json.loads(said.stdout)


def _cpu_s(pid: int) -> float:
    """Processor time of a process, of its children that run, and of those that ended."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for each in [pid, *_children(pid)]:
        try:
            parts = (
                Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            )
        except OSError:
            continue
        total += sum(int(it) for it in parts[11:15])
    return total / ticks


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [
        int(it) for task in tasks for it in (task / "children").read_text(encoding="ascii").split()
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
