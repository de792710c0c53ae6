from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.uploader.numbering import SpoolError
from services.uploader.spool import Answered, Spool, Verdict, Waiting
from shared.bus.port import CannotStoreError
from tests.unit.uploader.messages import NOW, meter_read, read_failed


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "agent" / "spool.sqlite")
    yield opened
    opened.close()


def waiting(spool: Spool, limit: int = 500, max_bytes: int = 10**9) -> Sequence[Waiting]:
    return spool.outgoing(limit, max_bytes).messages


def numbers(spool: Spool, limit: int = 500, max_bytes: int = 10**9) -> list[int]:
    return [message.n for message in waiting(spool, limit, max_bytes)]


def answer(spool: Spool, *verdicts: Verdict, received_at: datetime = NOW) -> None:
    spool.answered(spool.id(), Answered(verdicts, received_at, "{}"), NOW)


def first_unsent(spool: Spool) -> int:
    return spool.outgoing(1, 1).first_unsent


def test_messages_are_numbered_from_one_without_holes(spool: Spool) -> None:
    assert spool.store([meter_read(1), read_failed(2)], NOW) == [1, 2]
    assert spool.store([meter_read(3)], NOW) == [3]
    assert (first_unsent(spool), spool.last(), spool.count_waiting()) == (1, 3, 3)


def test_a_message_that_comes_again_keeps_its_number(spool: Spool) -> None:
    spool.store([meter_read(1), meter_read(2)], NOW)
    assert spool.store([meter_read(1), meter_read(3), meter_read(3)], NOW) == [1, 3, 3]
    assert spool.last() == 3


def test_the_same_id_with_another_body_is_a_message_of_its_own(spool: Spool) -> None:
    """Which of the two counts is for the hub to say, which keeps both."""
    assert spool.store([meter_read(1, total=5), meter_read(1, total=6)], NOW) == [1, 2]


def test_a_body_comes_out_byte_for_byte(spool: Spool) -> None:
    spool.store([meter_read(7)], NOW)
    [message] = waiting(spool, 1, 1)
    assert message.body == meter_read(7).to_json()
    assert message.type == "meter.read.v1"


def test_the_spool_and_its_folder_are_its_owner_s_alone(spool: Spool) -> None:
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700
    spool.store([meter_read()], NOW)
    assert stat.S_IMODE(spool.path.with_name("spool.sqlite-wal").stat().st_mode) == 0o600


def test_what_waits_is_given_by_count_and_by_bytes_but_never_nothing(spool: Spool) -> None:
    spool.store([meter_read(each) for each in range(5)], NOW)
    one = len(meter_read(0).to_json())
    assert numbers(spool, 2, 10**9) == [1, 2]
    assert numbers(spool, 500, 3 * one) == [1, 2, 3]
    assert numbers(spool, 500, 1) == [1]


def test_what_the_hub_answered_waits_no_more(spool: Spool) -> None:
    spool.store([meter_read(each) for each in range(3)], NOW)
    answer(spool, Verdict(1, "committed", None), Verdict(3, "rejected", "no such site"))
    assert numbers(spool) == [2]
    assert first_unsent(spool) == 2


def test_a_second_verdict_and_one_of_a_number_not_given_change_nothing(spool: Spool) -> None:
    spool.store([meter_read(1)], NOW)
    answer(spool, Verdict(1, "committed", None))
    answer(spool, Verdict(1, "rejected", "late"), Verdict(99, "committed", None))
    [row] = sqlite3.connect(spool.path).execute("select n, state, reason from message").fetchall()
    assert row == (1, "committed", None)


def test_what_was_tried_less_often_goes_first_and_alone(spool: Spool) -> None:
    """One message that makes the hub fail must not hold up those that come after it."""
    spool.store([meter_read(each) for each in range(3)], NOW)
    spool.tried(spool.id(), [1, 2], NOW, blamed=True)
    assert numbers(spool) == [3]
    answer(spool, Verdict(3, "committed", None))
    assert numbers(spool) == [1, 2]
    spool.tried(spool.id(), [1], NOW, blamed=True)
    assert numbers(spool) == [2]


def test_what_was_sent_is_forgotten_after_its_days_and_nothing_else_ever(spool: Spool) -> None:
    spool.store([meter_read(each) for each in range(3)], NOW)
    answer(spool, Verdict(1, "committed", None), Verdict(2, "rejected", "why"))
    assert spool.forget(timedelta(days=30)) == 0
    answer(spool, received_at=NOW + timedelta(days=31))
    assert spool.forget(timedelta(days=30)) == 1
    left = sqlite3.connect(spool.path).execute("select n, state from message order by n")
    assert left.fetchall() == [(2, "rejected"), (3, "waiting")]
    assert spool.store([meter_read(9)], NOW) == [4]


def test_a_restored_spool_goes_on_under_a_new_id_with_what_waits_numbered_anew(
    spool: Spool,
) -> None:
    spool.store([meter_read(each) for each in range(4)], NOW)
    answer(spool, Verdict(1, "committed", None), Verdict(3, "committed", None))
    old = spool.id()
    bodies = [message.body for message in waiting(spool)]

    assert spool.renew("restored") != old

    assert [message.body for message in waiting(spool)] == bodies
    assert (numbers(spool), first_unsent(spool), spool.last()) == ([1, 2], 1, 2)
    assert spool.store([meter_read(8)], NOW) == [3]
    kept = sqlite3.connect(spool.path).execute("select n from message where spool = ?", [str(old)])
    assert sorted(n for (n,) in kept) == [1, 3]


def test_a_spool_opened_again_is_the_same(spool: Spool) -> None:
    spool.store([meter_read(1)], NOW)
    spool.keep_scope_etag('"7"')
    again = Spool(spool.path)
    assert (again.id(), again.last(), again.scope_etag()) == (spool.id(), 1, '"7"')
    assert again.salt() == spool.salt()
    again.close()


def test_a_file_that_is_no_spool_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_text("not a database, but long enough to be read as the header of one" * 20)
    with pytest.raises(SpoolError, match=r"spool\.sqlite: cannot be opened"):
        Spool(path)


def test_what_cannot_be_opened_beside_a_log_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").mkdir()
    (tmp_path / "spool.sqlite-wal").write_bytes(b"a log")
    with pytest.raises(SpoolError):
        Spool(tmp_path / "spool.sqlite")


def test_a_spool_of_a_newer_version_is_left_alone(spool: Spool) -> None:
    with sqlite3.connect(spool.path) as db:
        db.execute("pragma user_version = 9")
    with pytest.raises(SpoolError, match="another version of Pagetally"):
        Spool(spool.path)


def test_a_full_disk_refuses_the_message_and_takes_it_once_there_is_room(spool: Spool) -> None:
    [pages] = spool._file._db.execute("pragma page_count").fetchone()
    spool._file._db.execute(f"pragma max_page_count = {pages + 5}")
    batch = [meter_read(each) for each in range(100)]
    with pytest.raises(CannotStoreError, match="full"):
        spool.store(batch, NOW)
    assert (spool.last(), spool.count_waiting()) == (0, 0)
    spool._file._db.execute("pragma max_page_count = 100000")
    assert spool.store(batch, NOW) == list(range(1, 101))


_STORES_FOR_EVER = """
import sys
from pathlib import Path
from services.uploader.spool import Spool
from tests.unit.uploader.messages import NOW, meter_read
spool = Spool(Path(sys.argv[1]))
host = int(sys.argv[2])
while True:
    numbers = spool.store([meter_read(host), meter_read(host + 1), meter_read(host + 2)], NOW)
    sys.stdout.write(f"{numbers[-1]}\\n")
    sys.stdout.flush()
    host += 3
"""


def test_kill_9_leaves_no_hole_and_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    seed = random.randrange(10**6)
    choose = random.Random(seed)
    for life in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", _STORES_FOR_EVER, str(path), str(life * 10_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout
        said = [int(writer.stdout.readline())]
        time.sleep(choose.uniform(0.01, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
        rows = sqlite3.connect(path).execute("select n from message order by n").fetchall()
        assert [n for (n,) in rows] == list(range(1, len(rows) + 1)), f"seed {seed}"
        assert len(rows) >= said[-1], f"seed {seed}: {said[-1]} were stored"
        spool = Spool(path)
        assert spool.last() == len(rows)
        spool.close()
