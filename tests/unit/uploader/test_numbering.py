"""A spool that was upgraded, lost, restored or replaced: which numbers its messages bear then."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.uploader.boot import SinceBoot
from services.uploader.numbering import as_ranges
from services.uploader.reserve import RESERVE_BYTES
from services.uploader.spool import Answered, Outgoing, Spool, Verdict
from shared.bus.port import CannotStoreError
from tests.unit.uploader.messages import NOW, meter_read

# as a spool of version 1 was made
_VERSION_1 = """
create table spool (
    one integer primary key check (one = 1), id text not null, last integer not null default 0,
    salt text not null, scope_etag text
);
create table message (
    spool text not null, n integer not null, type text not null, id text not null,
    body blob not null, stored_at text not null,
    state text not null default 'waiting' check (state in ('waiting', 'committed', 'rejected')),
    tries integer not null default 0, sent_at text, reason text, primary key (spool, n)
);
create index message_by_id on message (id);
create index message_waiting on message (tries, n) where state = 'waiting';
create index message_sent on message (sent_at) where state = 'committed';
insert into spool (one, id, last, salt) values (1, '6b0a7f0e-0000-4000-8000-000000000001', 2, 'z');
pragma user_version = 1;
"""
_OLD_ID = "6b0a7f0e-0000-4000-8000-000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    opened = Spool(path)
    yield opened
    opened.close()


def sending(spool: Spool) -> Outgoing:
    return spool.outgoing(500, 10**9)


def began(spool: Spool) -> dict[str, Any]:
    told = sending(spool).began
    return dict(json.loads(told)) if told else {}


def answer(spool: Spool, *numbers: int) -> None:
    verdicts = [Verdict(n, "committed", None) for n in numbers]
    spool.answered(spool.id(), Answered(verdicts, NOW, "{}"), NOW)


def bodies(spool: Spool) -> list[bytes]:
    return [message.body for message in sending(spool).messages]


def reads(*hosts: int) -> list[bytes]:
    return [meter_read(host).to_json() for host in hosts]


def test_a_spool_of_version_1_is_gone_on_with(path: Path) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(_VERSION_1)
        old.executemany(
            "insert into message (spool, n, type, id, body, stored_at, state, sent_at)"
            " values (?, ?, 'meter.read.v1', ?, ?, '2026-11-02T08:00:00.000+00:00', ?, ?)",
            [
                (_OLD_ID, 1, str(meter_read(1).id), *reads(1), "committed", "2026-11-02T08:01"),
                (_OLD_ID, 2, str(meter_read(2).id), *reads(2), "waiting", None),
            ],
        )
    old.close()

    spool = Spool(path)

    assert (str(spool.id()), spool.last(), bodies(spool)) == (_OLD_ID, 2, reads(2))
    assert began(spool) == {}
    assert spool.store([meter_read(2), meter_read(3)], NOW, SinceBoot("a", 1.0)) == [2, 3]
    spool.close()
    again = Spool(path)
    assert [each.stored for each in sending(again).messages] == [None, SinceBoot("a", 1.0)]
    again.close()


def test_the_first_spool_of_a_site_says_that_it_is_new_until_the_hub_has_answered(
    spool: Spool,
) -> None:
    assert began(spool) == {"before": None, "why": "new", "carried": []}
    answer(spool)
    assert sending(spool).began is None


def test_a_spool_that_was_deleted_is_said_to_be_lost(spool: Spool, path: Path) -> None:
    lost = spool.id()
    spool.close()
    path.unlink()

    made = Spool(path)

    assert began(made) == {"before": str(lost), "why": "lost", "carried": []}
    note = path.with_name("spool.sqlite-id")
    assert note.read_text() == f"{made.id()}\n"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    made.close()


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"x" * 1_000_000, b"6b0a7f0e-0000"])
def test_a_note_that_names_no_spool_says_nothing(path: Path, note: bytes) -> None:
    path.with_name("spool.sqlite-id").write_bytes(note)
    spool = Spool(path)
    assert began(spool)["why"] == "new"
    spool.close()


def test_a_spool_that_was_deleted_under_the_process_goes_on_with_what_waited(
    spool: Spool, path: Path
) -> None:
    lost, file = spool.id(), sending(spool).file
    spool.store([meter_read(each) for each in range(1, 5)], NOW)
    answer(spool, 1, 3)
    for each in path.parent.glob("spool.sqlite*"):
        if each.name != "spool.sqlite-id":
            each.unlink()

    assert spool.store([meter_read(5)], NOW) == [3]

    assert bodies(spool) == reads(2, 4, 5)
    assert spool.id() != lost
    assert began(spool) == {"before": str(lost), "why": "lost", "carried": [[2, 2], [4, 4]]}
    assert sending(spool).file != file


def test_what_waited_is_not_forgotten_while_no_other_file_can_be_opened(
    spool: Spool, path: Path
) -> None:
    spool.store([meter_read(1)], NOW)
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(CannotStoreError, match=r"spool\.sqlite: was replaced"):
            spool.store([meter_read(2)], NOW)
    path.rmdir()
    spool.store([meter_read(2)], NOW)
    assert bodies(spool) == reads(1, 2)


def test_a_reserve_that_was_deleted_with_its_spool_is_made_again(spool: Spool, path: Path) -> None:
    spool.store([meter_read(1)], NOW)
    for each in path.parent.iterdir():
        each.unlink()
    spool.store([meter_read(2)], NOW)
    assert path.with_name("spool.sqlite-reserve").stat().st_size == RESERVE_BYTES


def test_what_was_answered_to_a_spool_that_is_gone_is_no_answer_to_the_next(
    spool: Spool, path: Path
) -> None:
    spool.store([meter_read(1)], NOW)
    lost = spool.id()
    path.unlink()
    spool.store([meter_read(2)], NOW)
    spool.answered(lost, Answered([Verdict(1, "committed", None)], NOW, "{}"), NOW)
    assert bodies(spool) == reads(1, 2)
    assert began(spool)["why"] == "lost"


def test_a_copy_put_in_the_spool_s_place_is_not_read_with_the_other_s_log(
    spool: Spool, path: Path, tmp_path: Path
) -> None:
    spool.store([meter_read(1)], NOW)
    spool.close()
    shutil.copy(path, tmp_path / "copy")
    live = Spool(path)
    live.store([meter_read(each) for each in range(2, 40)], NOW)
    answer(live, *range(1, 39))

    (tmp_path / "copy").replace(path)

    assert live.store([meter_read(50)], NOW) == [3]
    assert bodies(live) == reads(1, 39, 50)
    with sqlite3.connect(path) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    live.close()


@pytest.mark.parametrize("of_another", [True, False])
def test_a_log_that_was_left_behind_is_read_where_it_is_the_file_s_own(
    spool: Spool, path: Path, tmp_path: Path, *, of_another: bool
) -> None:
    spool.store([meter_read(1)], NOW)
    spool.close()
    copy, log = tmp_path / "copy", path.with_name(f"{path.name}-wal")
    shutil.copy(path, copy)
    live = Spool(path)
    for first in range(2, 1402, 100):  # its log is begun anew on the way
        live.store([meter_read(each) for each in range(first, first + 100)], NOW)
    if not of_another:
        shutil.copy(path, copy)
    left = log.read_bytes()
    live.close()
    copy.replace(path)
    log.write_bytes(left)

    opened = Spool(path)

    stored = 1 if of_another else 1401
    assert opened.store([meter_read(5000)], NOW) == [stored + 1]
    assert bodies(opened)[:1] == reads(1)
    assert opened.count_waiting() == stored + 1
    assert log.with_name(f"{log.name}-of-another").exists() == of_another
    opened.close()


def test_a_copy_from_before_the_spool_was_renewed_goes_on_under_a_new_id(
    spool: Spool, path: Path, tmp_path: Path
) -> None:
    spool.store([meter_read(1)], NOW)
    older = spool.id()
    shutil.copy(path, tmp_path / "copy")
    shutil.copy(f"{path}-wal", tmp_path / "copy-wal")
    newer = spool.renew("reused")
    spool.close()
    shutil.copy(tmp_path / "copy", path)
    shutil.copy(tmp_path / "copy-wal", f"{path}-wal")

    restored = Spool(path)

    assert restored.id() not in (older, newer)
    assert began(restored) == {"before": str(newer), "why": "restored", "carried": []}
    assert bodies(restored) == reads(1)
    restored.close()


def test_a_process_that_ended_while_it_renewed_says_no_more_than_that(
    spool: Spool, path: Path
) -> None:
    spool.store([meter_read(1)], NOW)
    older = spool.id()
    note = path.with_name("spool.sqlite-id").read_text()
    fresh = spool.renew("reused")
    spool.close()
    path.with_name("spool.sqlite-id").write_text(note)

    again = Spool(path)

    assert again.id() == fresh
    assert began(again) == {"before": str(older), "why": "reused", "carried": [[1, 1]]}
    again.close()


def test_what_left_under_an_old_number_is_known_under_it(spool: Spool, path: Path) -> None:
    spool.store([meter_read(1), meter_read(2), meter_read(3)], NOW)
    ids = [str(spool.id())]
    answer(spool, 1)
    spool.tried(spool.id(), [2], NOW, blamed=False)
    for _ in range(2):
        ids.append(str(spool.renew("reused")))
        spool.tried(spool.id(), [1], NOW, blamed=False)

    rows = sqlite3.connect(path).execute(
        "select spool, n, now_spool, now_n from former order by n desc"
    )

    assert rows.fetchall() == [(ids[0], 2, ids[2], 1), (ids[1], 1, ids[2], 1)]


@given(st.sets(st.integers(1, 40)))
def test_ranges_hold_each_number_once(numbers: set[int]) -> None:
    ranges = as_ranges(sorted(numbers))
    assert [n for first, last in ranges for n in range(first, last + 1)] == sorted(numbers)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
