"""The services as processes of their own, by the commands of docs/run.md, on real peers.

Devices answer from the walks in tests/walks and, where they lie beside the checkout, from
recordings of real ones; a real RabbitMQ, PostgreSQL 15 and SMTP server (STARTTLS, AUTH) are used.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl

from services.solo.ca import ensure_ca
from services.solo.simulator import simulate
from shared.clock import utc_now
from tests.flow.fleet import RECORDINGS, WALKS, Device, addressed, devices
from tests.peers import free_port
from tests.peers.smtp import SmtpPeer

ROOT = Path(__file__).parents[2]
SNMP_PORT = 16311
FIRST = "127.40.0.1"
SEGMENT = "127.40.0.0/24"
ROUND_S = 15


async def test_the_workbook_that_is_mailed_says_what_the_devices_say(
    rabbit_vhost: str, debian_postgres_url: str, smtp: SmtpPeer, tmp_path: Path
) -> None:
    by_address, agents = addressed(devices(WALKS, RECORDINGS), FIRST, SNMP_PORT)
    environment = surroundings(tmp_path, rabbit_vhost, debian_postgres_url, smtp)

    async with simulate(agents):
        with running(the_page(), environment, tmp_path) as script:
            code = await asyncio.to_thread(script.wait, 150)

    said = (tmp_path / "said").read_text(encoding="utf-8", errors="replace")
    assert code == 0, said[-4000:]
    [received] = smtp.received
    assert received.recipient == "billing@example.com"
    [attached] = received.message.iter_attachments()
    rows = meters_sheet(attached.get_content())
    assert list(disagreements(by_address, rows)) == []


def the_page() -> str:
    """The page's shell blocks as one script."""
    page = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) >= 7
    return "set -e\n" + "\n".join(blocks)


def surroundings(folder: Path, broker: str, database: str, smtp: SmtpPeer) -> dict[str, str]:
    """The variables that the page asks for, and what differs on loopback."""
    ca = ensure_ca(folder / "ca", ["localhost"], utc_now())
    state = folder / "state"
    state.mkdir()
    (state / "ceiling.toml").write_text(f"ports = [{SNMP_PORT}]\npace = 1000\n", encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "CI") if name in os.environ}
    return kept | {
        "BROKER_URL": broker,
        "DATABASE_URL": database,
        "TLS_CERT": str(ca.cert),
        "TLS_KEY": str(ca.key),
        "CA_FILE": str(ca.ca_cert),
        "SMTP_HOST": smtp.host,
        "SMTP_PORT": str(smtp.port),
        "SMTP_USER": smtp.user,
        "SMTP_PASSWORD": smtp.password,
        "SMTP_CA_FILE": str(smtp.ca_file),
        "SEGMENT": SEGMENT,
        "STATE": str(state),
        "ROUND_S": str(ROUND_S),
        "PAGETALLY_STATE": str(state),
        "INGEST_PORT": str(free_port()),
        "CONSOLE_PORT": str(free_port()),
        "DISCOVERY_PORT": str(SNMP_PORT),
        "DISCOVERY_RATE": "1000",
        "DISCOVERY_TIMEOUT_S": "1",
        "UPLOADER_CONTACT_S": "1",
    }


@contextmanager
def running(
    script: str, environment: dict[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A shell of its own session, ended with all that it started."""
    with (folder / "said").open("wb") as said:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield shell
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(shell.pid, number)
                    shell.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def meters_sheet(workbook: bytes) -> list[dict[str, Any]]:
    sheet = openpyxl.load_workbook(BytesIO(workbook))["Meters"]
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def disagreements(by_address: dict[str, Device], rows: list[dict[str, Any]]) -> Iterator[str]:
    """What the sheet says otherwise than a person who stands at the device."""
    seen = {row["IP"]: row for row in rows}
    for address, device in by_address.items():
        row = seen.get(address)
        if not device.prints:
            if row:
                yield f"{device.name}: is no printer and stands in the workbook"
            continue
        if row is None:
            if device.shows_itself:
                yield f"{device.name}: is missing"
            continue
        for field, column in (("serial", "Serial"), ("model", "Model")):
            if row[column] not in device.accepts(field):
                yield f"{device.name}: {field} {row[column]!r}, truth {device.accepts(field)}"
        total = row["Current total"]
        if total != device.total:
            yield f"{device.name}: total {total}, truth {device.total}"
