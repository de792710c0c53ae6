"""`pagetally demo` as a person runs it: what it says, shows, mails and leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import default
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.solo.fleet import FIRST_ADDRESS, PORT
from tests.flow.proc import descendants_of

ROOT = Path(__file__).parents[2]
START_S = 60.0  # with a new database, on a machine that is busy


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where PostgreSQL, which does not run as root, may enter; pytest's own folders are closed."""
    made = Path(tempfile.mkdtemp(prefix="pagetally-demo-"))
    made.chmod(0o755)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fleet:
        try:
            fleet.bind((str(FIRST_ADDRESS), PORT))
        except OSError:
            pytest.fail("another demo runs on this machine: its devices have the addresses")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end of the block, if it still runs."""
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", "demo", "--folder", str(folder), *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def once(folder: Path) -> str:
    """What `demo --once` said."""
    with demo(folder, "--once") as running:
        said, faults = running.communicate(timeout=2 * START_S)
        assert running.returncode == 0, faults
    assert faults == ""
    return said


def said_until(last: str, running: subprocess.Popen[str]) -> str:
    """Ends with the line that begins so, or with the demo, which is killed after START_S."""
    assert running.stdout is not None
    said = ""
    end = threading.Timer(START_S, running.kill)
    end.start()
    for line in running.stdout:
        said += line
        if line.startswith(last):
            break
    end.cancel()
    return said


def truth(folder: Path) -> dict[str, int]:
    """Serial -> the total that the device's own counter page says now."""
    kept = json.loads((folder / "fleet.json").read_text(encoding="utf-8"))
    return {serial: device["meters"]["total"] for serial, device in kept.items()}


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def path_said(said: str, before: str) -> Path:
    found = re.search(rf"{before}(/\S+)", said)
    assert found, said
    return Path(found[1])


def attached_to(mail: Path) -> tuple[str, bytes]:
    """To whom, and the workbook."""
    message = BytesParser(policy=default).parsebytes(mail.read_bytes())
    [workbook] = message.iter_attachments()
    return str(message["To"]), workbook.get_content()


def meters(workbook: bytes) -> dict[str, dict[str, Any]]:
    """Rows of the Meters sheet by serial."""
    sheet = openpyxl.load_workbook(BytesIO(workbook))["Meters"]
    header, *rows = sheet.iter_rows(values_only=True)
    found = [dict(zip(map(str, header), row, strict=True)) for row in rows]
    assert len({row["Serial"] for row in found}) == len(found)
    return {str(row["Serial"]): row for row in found}


def totals(rows: dict[str, dict[str, Any]], column: str) -> dict[str, Any]:
    return {serial: row[column] for serial, row in rows.items()}


def test_one_round_leaves_a_workbook_and_a_mail_with_the_devices_totals_and_a_second_the_volume(
    folder: Path,
) -> None:
    said = once(folder)

    printed = truth(folder)
    assert f"Found   {len(printed)} printing devices" in said
    assert f"Read    {len(printed)} devices, 0 failed." in said
    assert f"Stored  {len(printed)} of {len(printed)} outcomes, each once." in said
    assert re.search(r"Devices and rounds: http://127\.0\.0\.1:\d+/", said)
    assert "30 addresses asked" in said
    assert "no mail server is set" in said
    workbook = path_said(said, "workbook: ").read_bytes()
    recipient, attached = attached_to(path_said(said, "written to "))
    assert recipient == "billing@example.com"
    assert attached == workbook
    assert len(printed) >= 12
    assert totals(meters(workbook), "Current total") == printed

    again = once(folder)

    grown = truth(folder)
    assert grown.keys() == printed.keys()
    assert sum(grown.values()) > sum(printed.values())
    rows = meters(attached_to(path_said(again, "written to "))[1])
    assert totals(rows, "Current total") == grown
    assert totals(rows, "Previous total") == printed
    volumes = {serial: grown[serial] - printed[serial] for serial in grown}
    assert totals(rows, "Pages total") == volumes


def test_it_shows_the_devices_while_it_runs_and_leaves_nothing_running(folder: Path) -> None:
    with demo(folder, "--every", "600") as running:
        said = said_until("Next round in", running)
        found = re.search(r"Devices and rounds: (http://127\.0\.0\.1:\d+/)", said)
        assert found, said
        page = fetched(found[1])
        network = fetched(f"{found[1]}network?site=demo-office")
        started = descendants_of(running.pid)
        running.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, faults = running.communicate(timeout=30)

    assert running.returncode == 0, faults
    assert faults == ""
    assert time.monotonic() - begun < 30
    printed = truth(folder)
    for serial, total in printed.items():
        assert serial in page
        assert f"{total:,}" in page
    assert f"{len(printed)} found = {len(printed)} read + 0 failed" in page
    assert "Chosen: 1 of" in network
    assert re.search(r"checked> <b><bdi>127\.20\.0\.0/27</bdi>", network)
    assert network.count("60 datagrams to 30 addresses, 6,210 B") == 3  # two segments, and the sum
    assert re.search(r">127\.20\.1\.0/27</bdi>", network)
    [refused] = re.findall(r">10\.99\.0\.0/24</bdi></b></label>\s*<span[^>]*>([^<]*)", network)
    assert refused == "refused by the site: "
    assert started  # PostgreSQL
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
