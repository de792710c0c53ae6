"""The roster's file: what an older version wrote is carried over."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from services.discovery.devices import Device, Traits
from services.discovery.roster import Roster, RosterError
from services.discovery.roster_rows import AnswerRow
from shared.messages import IppTarget, SnmpTarget, SpooledDevice, SpooledQueue, SpooledTarget
from shared.scope import AskingManner

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
ROUND = UUID(int=7)
VERSION_1 = """
    CREATE TABLE round (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, ask TEXT, wish TEXT NOT NULL,
        started_at TEXT NOT NULL, deadline TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open',
        packets INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE answer (
        round TEXT NOT NULL REFERENCES round ON DELETE CASCADE, target TEXT NOT NULL,
        address TEXT NOT NULL, port INTEGER NOT NULL, outcome TEXT NOT NULL,
        found_by TEXT NOT NULL, credential TEXT NOT NULL, version INTEGER NOT NULL,
        reason TEXT NOT NULL, given INTEGER NOT NULL DEFAULT 0,
        published INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (round, target)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE body (
        round TEXT NOT NULL REFERENCES round ON DELETE CASCADE, part INTEGER NOT NULL,
        body BLOB NOT NULL, published INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (round, part)
    ) STRICT;
    CREATE TABLE known (
        target TEXT PRIMARY KEY, address TEXT NOT NULL, port INTEGER NOT NULL,
        credential TEXT NOT NULL, version INTEGER NOT NULL, last_answered_at TEXT NOT NULL,
        silent_rounds INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE scope (
        only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE served (kind TEXT PRIMARY KEY, instant TEXT NOT NULL) STRICT;
    CREATE TABLE ask_done (id TEXT PRIMARY KEY, done_at TEXT NOT NULL) STRICT;
    INSERT INTO round (id, kind, wish, started_at, deadline) VALUES (
        '00000000-0000-0000-0000-000000000007', 'read',
        '{"kind":"read","segments":[],"known":[["10.0.0.7",161,"office",1]],"port":161}',
        '2026-03-02T05:00:00+00:00', '2026-03-02T09:00:00+00:00');
    INSERT INTO answer VALUES
        ('00000000-0000-0000-0000-000000000007', 'snmp:[10.0.0.7]:161', '10.0.0.7', 161,
         'printing', 'known', 'office', 1, '', 1, 0),
        ('00000000-0000-0000-0000-000000000007', 'ipp:ipp://10.0.0.8/ipp/print',
         'ipp://10.0.0.8/ipp/print', 0, 'printing', 'named', '', 0, '', 0, 1);
    INSERT INTO known VALUES
        ('snmp:[10.0.0.7]:161', '10.0.0.7', 161, 'office', 1, '2026-03-01T05:00:00+00:00', 0),
        ('snmp:[fd00::7]:1161', 'fd00::7', 1161, 'public', 0, '2026-02-01T05:00:00+00:00', 4);
    PRAGMA user_version = 1;
"""


def test_a_roster_of_version_1_is_carried_over_with_its_open_round(tmp_path: Path) -> None:
    file = tmp_path / "roster.sqlite"
    with sqlite3.connect(file) as old:
        old.executescript(VERSION_1)
    old.close()

    Roster(file).close()
    roster = Roster(file)

    assert roster.known() == [
        Device(
            SnmpTarget(snmp="10.0.0.7"),
            "office",
            1,
            Traits(),
            datetime(2026, 3, 1, 5, tzinfo=UTC),
        ),
        Device(
            SnmpTarget(snmp="fd00::7", port=1161),
            "public",
            0,
            Traits(),
            datetime(2026, 2, 1, 5, tzinfo=UTC),
            silent_rounds=4,
        ),
    ]
    current = roster.open_round()
    assert current is not None
    assert current.wish.known[0].address == "10.0.0.7"
    assert roster.answers(ROUND) == [
        AnswerRow(
            IppTarget(ipp="ipp://10.0.0.8/ipp/print"), "printing", "named", "", 0, NOW,
            published=True,
        ),
        AnswerRow(SnmpTarget(snmp="10.0.0.7"), "printing", "known", "office", 1, NOW, given=1),
    ]  # fmt: skip


def test_a_roster_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "roster.sqlite"
    with sqlite3.connect(file) as newer:
        newer.execute("PRAGMA user_version = 3")
    newer.close()

    with pytest.raises(RosterError, match="newer release"):
        Roster(file)


def test_what_answered_and_who_is_known_come_back_as_they_were(tmp_path: Path) -> None:
    spooled = SpooledTarget(
        spooled=SpooledQueue(host="pc7", queue="label", port_name="USB001", kind="usb")
    )
    rows = [
        AnswerRow(
            SnmpTarget(snmp="10.0.0.9"), "no_credential", "sweep", "", 3, NOW, "none fits",
            Traits("1347", "VB1234", "00:17:c8:00:00:0a"), ("office", "lab"),
            AskingManner(timeout_s=5.0, max_message=1200),
        ),
        AnswerRow(spooled, "printing", "spooler", "", 0, NOW, spooled=SpooledDevice(make="Zebra")),
    ]  # fmt: skip
    traits = rows[0].traits
    known = [
        Device(spooled, "", 0, Traits(), NOW),
        Device(
            SnmpTarget(snmp="10.0.0.9"), "office", 1, traits, NOW, 2, frozenset(traits.tokens[:1])
        ),
    ]
    file = tmp_path / "roster.sqlite"
    with sqlite3.connect(file) as old:
        old.executescript(VERSION_1)
    old.close()
    roster = Roster(file)

    for row in rows:
        roster.add_answer(ROUND, row)
    roster.close_round(ROUND, [], known)

    assert [row for row in roster.answers(ROUND) if row in rows] == rows
    assert roster.known() == known
