from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.uploader.again import Again, send_again
from services.uploader.spool import Answered, Spool, Verdict
from services.uploader.spool_file import SpoolFile
from tests.unit.uploader.messages import NOW, meter_read


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Of its messages 1 and 3 were rejected, 2 and 4 committed."""
    opened = Spool(tmp_path / "spool.sqlite")
    opened.store([meter_read(each) for each in range(1, 5)], NOW)
    verdicts = [
        Verdict(n, "rejected", "too new") if n % 2 else Verdict(n, "committed", None)
        for n in range(1, 5)
    ]
    opened.answered(opened.id(), Answered(verdicts, NOW, "{}"), NOW)
    yield opened
    opened.close()


def again(spool: Spool, *numbers: int) -> list[Again]:
    file = SpoolFile(spool.path)  # another process' than the uploader's
    given = send_again(file, numbers or None, NOW, None)
    file.close()
    return given


def waiting(spool: Spool) -> dict[int, bytes]:
    return {message.n: message.body for message in spool.outgoing(500, 10**9).messages}


def test_a_rejected_message_waits_again_under_a_new_number_and_what_was_rejected_stays(
    spool: Spool,
) -> None:
    assert again(spool, 3) == [Again(3, 5)]
    assert waiting(spool) == {5: meter_read(3).to_json()}
    rows = sqlite3.connect(spool.path).execute("select n, state from message order by n")
    assert dict(rows.fetchall())[3] == "rejected"


def test_all_that_were_rejected_are_sent_again_once(spool: Spool) -> None:
    assert again(spool) == [Again(1, 5), Again(3, 6)]
    assert again(spool) == []
    assert again(spool, 1, 2, 99) == []


def test_what_is_rejected_again_can_be_sent_again_under_its_newer_number(spool: Spool) -> None:
    again(spool, 1)
    spool.answered(spool.id(), Answered([Verdict(5, "rejected", "still")], NOW, "{}"), NOW)
    assert again(spool, 5) == [Again(5, 6)]


def test_a_message_that_was_rejected_of_an_older_spool_is_found(spool: Spool) -> None:
    spool.renew("restored")
    assert again(spool, 3) == [Again(3, 1)]


def test_that_a_message_was_sent_again_is_known_as_long_as_it_is(spool: Spool) -> None:
    again(spool, 1)
    spool.answered(
        spool.id(), Answered([Verdict(5, "committed", None)], NOW + timedelta(days=1), "{}"), NOW
    )
    spool.answered(spool.id(), Answered([], NOW + timedelta(days=40), "{}"), NOW)
    assert spool.forget(timedelta(days=30)) == 3
    rows = sqlite3.connect(spool.path).execute("select n, now_n from former")
    assert rows.fetchall() == [(1, 5)]
