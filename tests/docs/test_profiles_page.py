"""docs/profiles.md takes a technician from a device to a profile: its commands, one by one."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from textwrap import dedent

import pytest

from services.solo.snmprec import serve_recordings
from shared.snmprec import read_snmprec

ROOT = Path(__file__).parents[2]
WALK = ROOT / "tests" / "walks" / "unknown-maker.snmprec"
DEVICE, DEVICE_PORT = "127.35.0.1", 16_135
REPLAYED, REPLAYED_PORT = "127.36.0.1", 16_136
METERS = ("total 48,213", "mono 36,169", "color 12,044")


def blocks() -> list[str]:
    """The page's commands, with this machine's loopback in the place of its addresses."""
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    road = page.partition("## From a device")[2].partition("\n## ")[0]
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", road, re.DOTALL | re.MULTILINE)
    here = {
        "10.0.0.7": f"{DEVICE}:{DEVICE_PORT}",
        "127.30.0.1:16100": f"{REPLAYED}:{REPLAYED_PORT}",
        "replay recordings": f"replay recordings --first-address {REPLAYED} --port {REPLAYED_PORT}",
    }
    return [
        re.sub("|".join(map(re.escape, here)), lambda at: here[at[0]], dedent(b)) for b in found
    ]


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `pagetally` is this checkout's."""
    command = tmp_path / "bin" / "pagetally"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m services.cli "$@"\n', "utf-8")
    command.chmod(0o755)
    return {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PAGETALLY_STATE": str(tmp_path / "state"),
        "PWD": str(tmp_path),
    }


async def test_the_page_leads_from_a_device_to_what_its_counter_page_says(
    shell: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "device").mkdir()
    copyfile(WALK, tmp_path / "device" / WALK.name)
    record, without, find, write, replay, from_recording, from_device = blocks()

    async with serve_recordings(tmp_path / "device", DEVICE, DEVICE_PORT):
        assert "hidden: 2 names, 1 MAC address, 1 serial number" in await said(record, shell)
        assert "total 49,120" in await said(without, shell)
        assert (await said(find, shell)).count("1.3.6.1.4.1.32473.30.2.1.") == 6
        await said(write, shell)
        with in_another_terminal(replay, shell):
            replayed = await said(from_recording, shell)
        read = await said(from_device, shell)

    for meter in METERS:
        assert meter in replayed
        assert meter in read
    assert "serial ELC3000441" in read
    assert "serial ELC3000441" not in replayed
    recording = read_snmprec(Path(shell["PWD"]) / "recordings" / "eastlake.snmprec")
    assert len(recording) == len(read_snmprec(WALK))


async def said(block: str, shell: dict[str, str]) -> str:
    """What a block prints, its runs of blanks as one."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-e", "-c", block],
        env=shell,
        cwd=shell["PWD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@contextmanager
def in_another_terminal(block: str, shell: dict[str, str]) -> Iterator[None]:
    """Runs until the end of the block; begins when the command has said something."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {block}"], env=shell, cwd=shell["PWD"], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        try:
            assert (
                running.stdout.readline()
                == f"{REPLAYED}:{REPLAYED_PORT} eastlake.snmprec\n".encode()
            )
            yield
        finally:
            running.terminate()
