"""The spool on a disk that is really full: a small file system of the test's own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from services.uploader.spool import Answered, Spool, Verdict
from shared.bus.port import CannotStoreError
from shared.messages import MeterRead
from tests.unit.uploader.messages import NOW, meter_read

_DISK_BYTES = 16 * 2**20
_AT_ONCE = 100


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mounted = tmp_path / "disk"
    mounted.mkdir()
    options = f"size={_DISK_BYTES}"
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(mounted)],
        check=False,
        capture_output=True,
    )
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.decode()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def large_read(host: int) -> MeterRead:
    return meter_read(host).model_copy(update={"notes": [f"{host} " + "x" * 1000] * 7})


def fill_by_another(disk: Path) -> Path:
    path = disk / "another's"
    with path.open("wb", buffering=0) as opened, suppress(OSError):
        while True:
            opened.write(b"x" * 4096)
    return path


class Filling:
    """A spool that is given reads until its disk is full."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder / "spool.sqlite")
        self.given = 0

    def fill(self) -> None:
        with suppress(CannotStoreError):
            while True:
                self.give()

    def give(self) -> None:
        batch = [large_read(self.given + each) for each in range(_AT_ONCE)]
        self.spool.store(batch, NOW)
        self.given += _AT_ONCE

    def send(self, days: int = 0) -> int:
        """As one batch that the hub takes."""
        batch = self.spool.outgoing(500, 800_000)
        verdicts = [Verdict(message.n, "committed", None) for message in batch.messages]
        answer = Answered(verdicts, NOW + timedelta(days=days), "{}")
        self.spool.answered(batch.spool, answer, NOW)
        return len(verdicts)

    def numbers(self) -> list[int]:
        rows = sqlite3.connect(self.spool.path).execute("select n from message order by n")
        return [n for (n,) in rows]


@pytest.fixture
def full(disk: Path) -> Iterator[Filling]:
    filling = Filling(disk)
    filling.fill()
    yield filling
    filling.spool.close()


def test_a_full_disk_keeps_all_that_it_took_and_is_emptied_by_the_hub(full: Filling) -> None:
    assert full.given > 2 * _AT_ONCE
    assert full.spool.count_waiting() == full.given
    assert "spool.sqlite: cannot be written" in (full.spool.problem() or "")
    sent = 0
    while some := full.send():
        sent += some
    assert sent == full.given == full.numbers()[-1]


def test_what_left_stays_for_its_days_and_makes_room_after_them(full: Filling) -> None:
    took = full.given
    while full.send():
        pass
    with pytest.raises(CannotStoreError):
        full.give()
    assert full.numbers() == list(range(1, took + 1))

    full.spool.answered(full.spool.id(), Answered([], NOW + timedelta(days=31), "{}"), NOW)
    assert full.spool.forget(timedelta(days=30)) == took
    full.give()
    assert full.spool.count_waiting() == _AT_ONCE


def test_a_disk_that_others_filled_takes_answers_and_goes_on_when_it_has_room(disk: Path) -> None:
    filling = Filling(disk)
    filling.give()
    other = fill_by_another(disk)
    assert shutil.disk_usage(disk).free == 0

    with pytest.raises(CannotStoreError):
        for _ in range(100):
            filling.give()
    spool = filling.spool
    took = filling.given
    spool.tried(spool.id(), [1, 2], NOW, blamed=True)
    spool.keep_scope_etag('"7"')
    spool.renew("restored")
    assert spool.count_waiting() == took
    while filling.send():
        pass
    filling.send(days=60)
    assert spool.forget(timedelta(days=30)) == took

    other.unlink()
    filling.give()
    assert (spool.problem(), spool.count_waiting()) == (None, _AT_ONCE)
    assert (disk / "spool.sqlite-reserve").stat().st_blocks > 0
    spool.close()


def test_a_spool_on_a_full_disk_can_be_opened_and_emptied(full: Filling) -> None:
    full.spool.close()
    fill_by_another(full.spool.path.parent)
    full.spool = Spool(full.spool.path)
    assert full.spool.count_waiting() == full.given
    while full.send():
        pass
    assert full.spool.count_waiting() == 0
