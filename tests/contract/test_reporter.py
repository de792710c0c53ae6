"""The reporter on a real database and a real mail server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.reporter import smtp as adapter
from services.reporter.deliver import MAX_ATTEMPTS, deliver
from services.reporter.main import Reporter
from services.reporter.make import gather, make_report
from services.reporter.period import month
from services.reporter.report import Row
from services.reporter.settings import ReporterSettings
from services.reporter.smtp import Folder, Mailer, Outcome, Server, Smtp
from shared.clock import utc_now
from shared.store.deliveries import list_reports, workbook_of
from shared.store.postgres import Connection, Store, StoreError
from shared.store.reports import RoundCounts, round_counts
from tests.contract.hub_rows import Hub, at, new_hub
from tests.peers.smtp import PASSWORD, USER, SmtpPeer
from tests.unit.reporter.test_workbook import table

OCTOBER = month("2026-10", "UTC")
NOW = at("2026-11-01T06:00")
BILLING, DESK = "billing@dealer.example", "desk@dealer.example"


@pytest.fixture
async def hub(store: Store) -> Hub:
    return await new_hub(store)


async def rows_of(hub: Hub, now: datetime = NOW) -> dict[str, Row]:
    report = await gather(hub.store, hub.customer, OCTOBER, now)
    return {row.origin.serial or row.origin.target: row for row in report.rows}


async def made(hub: Hub, *recipients: str, occasion: str = "test", now: datetime = NOW) -> UUID:
    for recipient in recipients:
        await hub.run(
            "insert into recipient (customer_id, address) values (%s, %s) on conflict do nothing",
            hub.customer.id,
            recipient,
        )
    return await make_report(
        hub.store, hub.customer, OCTOBER, occasion, now, mail_from="meters@dealer.example"
    )


async def deliveries(hub: Hub) -> dict[str, dict[str, Any]]:
    async with hub.store.transaction() as connection:
        [report] = await list_reports(connection)
    return {one["recipient"]: one for one in report["deliveries"]}


def mailer(peer: SmtpPeer, **other: Any) -> Smtp:
    fields: dict[str, Any] = {
        "host": peer.host,
        "port": peer.port,
        "security": peer.security,
        "mail_from": "meters@dealer.example",
        "user": USER,
        "password": PASSWORD,
        "ca_file": peer.ca_file,
        "timeout_s": 5.0,
    }
    return Smtp(Server(**{**fields, **other}))


# -- what is reported ---------------------------------------------------------------------------


async def test_a_device_is_billed_from_the_last_read_before_to_the_last_read_in_the_period(
    hub: Hub,
) -> None:
    device = await hub.device("A1234", "2026-01-01T00:00")
    for taken, total in (
        ("2026-01-01T00:00", 10),
        ("2026-09-30T08:00", 1000),
        ("2026-10-15T08:00", 1100),
        ("2026-10-31T08:00", 1500),
        ("2026-11-01T02:00", 1510),
    ):
        await hub.read(taken, {"total": total}, device, serial="A1234")

    row = (await rows_of(hub))["A1234"]

    assert (row.volume.status, row.volume.pages) == ("ok", {"total": 500})
    assert (row.origin.site, row.origin.make) == (f"site-of-{hub.customer.id}", "Brother")


async def test_an_opening_read_from_long_ago_is_found(hub: Hub) -> None:
    device = await hub.device("A1234", "2025-01-01T00:00")
    await hub.read("2025-01-01T00:00", {"total": 10}, device, serial="A1234")
    await hub.read("2025-06-01T00:00", {"total": 70}, device, serial="A1234")
    await hub.read("2025-06-02T00:00", {}, device, serial="A1234")
    await hub.read("2026-10-31T08:00", {"total": 100}, device, serial="A1234")

    assert (await rows_of(hub))["A1234"].volume.pages == {"total": 30}


async def test_a_device_that_nobody_read_is_a_row_and_not_left_out(hub: Hub) -> None:
    silent = await hub.device("A1234", "2026-02-01T00:00")
    await hub.read("2026-02-01T00:00", {"total": 10}, silent, serial="A1234")
    await hub.device("B1234", "2026-03-01T00:00")

    rows = await rows_of(hub)

    assert rows["A1234"].volume.status == "missing"
    assert "unread since 2026-02-01 00:00" in rows["A1234"].volume.notes[0]
    assert rows[""].volume.notes[-1] == "device serial BROTHER B1234"


async def test_a_device_that_was_taken_away_before_the_period_is_no_row(hub: Hub) -> None:
    gone = await hub.device("A1234", "2026-02-01T00:00")
    await hub.run(
        "insert into assignment values (%s, %s, '-infinity', %s)",
        gone,
        hub.site_id,
        at("2026-09-30T00:00"),
    )
    await hub.read("2026-09-29T00:00", {"total": 10}, gone, serial="A1234")

    assert await rows_of(hub) == {}


async def test_held_reads_are_rows_that_need_attention_once_a_device(hub: Hub) -> None:
    for taken in ("2026-10-01T08:00", "2026-10-02T08:00", "2026-10-03T08:00"):
        await hub.read(taken, {"total": 5}, held="it reports no serial number")

    row = (await rows_of(hub))["snmp:[10.0.0.7]:161"]

    assert (row.volume.status, row.volume.pages) == ("held", {})
    assert row.volume.notes == ("it reports no serial number", "3 readings so")
    assert row.volume.closing is not None
    assert row.volume.closing.billed_at == at("2026-10-03T08:00")


@pytest.mark.parametrize(
    ("came", "status"), [("2026-11-01T05:00", "ok"), ("2026-11-03T09:00", "late")]
)
async def test_an_opening_read_that_came_after_its_months_report_is_told(
    hub: Hub, came: str, status: str
) -> None:
    """The site was offline when October was billed: else nobody would bill its last pages."""
    device = await hub.device("A1234", "2026-09-01T00:00")
    for taken, total, received in (
        ("2026-09-30T08:00", 1000, "2026-09-30T08:00"),
        ("2026-10-25T08:00", 1500, "2026-10-25T08:00"),
        ("2026-10-31T20:00", 1900, came),
        ("2026-11-30T20:00", 2500, "2026-11-30T20:00"),
    ):
        await hub.read(taken, {"total": total}, device, serial="A1234", received_at=at(received))
    await made(hub)

    november = month("2026-11", "UTC")
    report = await gather(hub.store, hub.customer, november, at("2026-12-01T06:00"))

    [row] = report.rows
    assert (row.volume.status, row.volume.pages) == (status, {"total": 600})
    said = "; ".join(row.volume.notes)
    assert ("came after the report up to then was made" in said) == (status == "late")


async def test_a_device_in_quarantine_has_readings_and_no_pages(hub: Hub) -> None:
    device = await hub.device("A1234", "2026-09-01T00:00")
    await hub.read("2026-09-30T08:00", {"total": 10}, device, serial="A1234")
    await hub.read("2026-10-31T08:00", {"total": 90}, device, serial="A1234")
    await hub.run("update device set held_because = 'two show this serial' where id = %s", device)

    volume = (await rows_of(hub))["A1234"].volume

    assert (volume.status, volume.pages, volume.notes) == ("held", {}, ("two show this serial",))


async def test_another_customers_reads_are_in_no_report_but_theirs(hub: Hub, store: Store) -> None:
    other = await new_hub(store, "Zenith")
    device = await other.device("A1234", "2026-10-01T00:00")
    await other.read("2026-10-05T08:00", {"total": 10}, device, serial="A1234")

    assert await rows_of(hub) == {}
    assert list(await rows_of(other)) == ["A1234"]


async def test_a_new_profile_version_is_billed_where_the_messages_name_the_same_oids(
    hub: Hub,
) -> None:
    device = await hub.device("A1234", "2026-09-01T00:00")
    meters = {"total": 10, "color": 1}
    before = await hub.read("2026-09-30T08:00", meters, device, serial="A1234")
    meters = {"total": 30, "color": 4}
    after = await hub.read("2026-10-31T08:00", meters, device, serial="A1234", profile="rfc3805@2")
    for number, (read_id, color) in enumerate(((before, "1.3.6.9"), (after, "1.3.6.8"))):
        body = json.dumps({"sources": {"total": ["1.3.6.1"], "color": [color]}}).encode()
        await hub.run(
            "insert into message (site_id, ledger_no, id, spool, n, type, round_id, received_at,"
            " body, digest) values (%s, %s, %s, %s, 1, 'meter.read.v1', %s, %s, %s, '')",
            *(hub.site_id, number, read_id, uuid4(), uuid4(), NOW, body),
        )
        await hub.run(
            "insert into outcome (site_id, id, type, digest, ledger_no, received_at)"
            " values (%s, %s, 'meter.read.v1', '', %s, %s)",
            *(hub.site_id, read_id, number, NOW),
        )

    volume = (await rows_of(hub))["A1234"].volume

    assert (volume.status, volume.pages) == ("changed", {"total": 20})
    assert volume.notes == ("color: profile changed from rfc3805@1 to rfc3805@2",)


async def test_rounds_of_the_period_are_counted_and_found_is_read_and_failed(hub: Hub) -> None:
    round_id, failed = uuid4(), uuid4()
    read_id = await hub.read("2026-10-05T08:00", {"total": 1}, held="x", round_id=round_id)
    order = (await hub.one("select order_id from read where id = %s", read_id))["order_id"]
    await hub.run(
        "insert into round values"
        " (%s, %s, 'read', 'agent', %s, %s, false, 1, 254, 2, 0, 600, 51000)",
        *(hub.site_id, round_id, at("2026-10-05T07:59"), at("2026-10-05T08:01")),
    )
    await hub.run(
        "insert into read_failed values (%s, %s, %s, %s, 'snmp:[10.0.0.8]:161', %s, %s,"
        " 'no_answer', 'no answer in 3 tries')",
        *(hub.site_id, uuid4(), failed, round_id, NOW, NOW),
    )
    for position, (kind, target, order_id) in enumerate(
        (
            ("order", "snmp:[10.0.0.7]:161", order),
            ("order", "snmp:[10.0.0.8]:161", failed),
            ("silent", "snmp:[10.0.0.9]:161", None),
        )
    ):
        await hub.run(
            "insert into round_name values (%s, %s, 1, %s, %s, %s, %s, null)",
            *(hub.site_id, round_id, kind, position, target, order_id),
        )

    rounds = (await gather(hub.store, hub.customer, OCTOBER, NOW)).rounds

    assert (rounds.rounds, rounds.found, rounds.read, rounds.failed) == (1, 2, 1, 1)
    assert (rounds.silent, rounds.packets, rounds.bytes) == (1, 600, 51000)


# -- one report an occasion ---------------------------------------------------------------------


async def test_a_report_made_twice_is_the_same_row_and_the_same_bytes(hub: Hub) -> None:
    first = await made(hub, BILLING)
    await hub.device("A1234", "2026-10-01T00:00")
    again, at_once = await asyncio.gather(
        made(hub, now=NOW + timedelta(hours=1)), made(hub, now=NOW + timedelta(hours=2))
    )

    assert first == again == at_once
    assert list(await deliveries(hub)) == [BILLING]


async def test_two_that_make_it_at_the_same_time_make_one(hub: Hub) -> None:
    ids = await asyncio.gather(*(made(hub, BILLING) for _ in range(3)))

    assert len(set(ids)) == 1
    assert (await hub.one("select count(*) as n from report"))["n"] == 1


async def test_the_workbook_that_is_kept_is_the_one_in_the_mail(hub: Hub, smtp: SmtpPeer) -> None:
    device = await hub.device("A1234", "2026-09-01T00:00")
    await hub.read("2026-09-30T08:00", {"total": 10}, device, serial="A1234")
    await hub.read("2026-10-31T08:00", {"total": 90}, device, serial="A1234")
    report = await made(hub, BILLING)

    await deliver(hub.store, mailer(smtp), NOW)

    async with hub.store.transaction() as connection:
        name, kept = await workbook_of(connection, report)
    [came] = smtp.received
    [attached] = came.message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (name, kept)
    assert table(kept)[0]["Pages total"] == 80


# -- handing over -------------------------------------------------------------------------------


async def test_a_mail_goes_out_over_starttls_and_is_recorded_as_sent(
    hub: Hub, smtp: SmtpPeer
) -> None:
    await made(hub, BILLING, DESK)

    await deliver(hub.store, mailer(smtp), NOW)
    await deliver(hub.store, mailer(smtp), NOW)

    assert {one.recipient for one in smtp.received} == {BILLING, DESK}
    assert set(smtp.ended.values()) == {2}
    states = await deliveries(hub)
    assert {(one["state"], one["possibly_twice"]) for one in states.values()} == {("sent", False)}


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_mail_goes_out_over_implicit_tls(hub: Hub, smtp_tls: SmtpPeer) -> None:
    await made(hub, BILLING)

    await deliver(hub.store, mailer(smtp_tls), NOW)

    assert [one.recipient for one in smtp_tls.received] == [BILLING]


async def test_one_bad_mailbox_never_blocks_the_others(hub: Hub, smtp: SmtpPeer) -> None:
    smtp.refused.add("a-gone@dealer.example")
    await made(hub, "a-gone@dealer.example", "not an address", BILLING)

    await deliver(hub.store, mailer(smtp), NOW)

    states = await deliveries(hub)
    assert states[BILLING]["state"] == "sent"
    assert states["a-gone@dealer.example"]["state"] == "refused"
    assert "550 5.1.1 no such mailbox here" in states["a-gone@dealer.example"]["reason"]
    assert states["not an address"]["state"] == "refused"


async def test_a_busy_mailbox_is_tried_again_after_a_pause(hub: Hub, smtp: SmtpPeer) -> None:
    smtp.busy[BILLING] = 1
    await made(hub, BILLING)

    await deliver(hub.store, mailer(smtp), NOW)
    waiting = (await deliveries(hub))[BILLING]
    await deliver(hub.store, mailer(smtp), NOW + timedelta(seconds=59))
    assert smtp.received == []
    await deliver(hub.store, mailer(smtp), NOW + timedelta(seconds=60))

    assert (waiting["state"], waiting["attempts"]) == ("waiting", 1)
    assert "451 4.7.1 greylisted" in waiting["reason"]
    sent = (await deliveries(hub))[BILLING]
    assert (sent["state"], sent["possibly_twice"], sent["attempts"]) == ("sent", False, 2)


async def test_no_answer_after_the_whole_mail_is_sent_again_and_said_to_be_possibly_twice(
    hub: Hub, smtp: SmtpPeer
) -> None:
    smtp.dropped[BILLING] = 1
    await made(hub, BILLING)

    await deliver(hub.store, mailer(smtp), NOW)
    open_end = (await deliveries(hub))[BILLING]
    smtp.busy[BILLING] = 1  # a try in between that ends before DATA does not make it forgotten
    await deliver(hub.store, mailer(smtp), NOW + timedelta(hours=1))
    await deliver(hub.store, mailer(smtp), NOW + timedelta(hours=2))

    assert open_end["state"] == "sending"
    sent = (await deliveries(hub))[BILLING]
    assert (sent["state"], sent["possibly_twice"]) == ("sent", True)
    assert list(smtp.ended.values()) == [2]


async def test_a_server_that_never_takes_it_is_given_up_in_the_end(hub: Hub) -> None:
    await made(hub, BILLING)
    down = Smtp(Server("127.0.0.1", 9, "none", "meters@dealer.example", timeout_s=1))

    for day in range(MAX_ATTEMPTS + 2):
        await deliver(hub.store, down, NOW + timedelta(days=day))

    refused = (await deliveries(hub))[BILLING]
    assert (refused["state"], refused["attempts"]) == ("refused", MAX_ATTEMPTS)
    assert "given up after 20 attempts" in refused["reason"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"ca_file": None}, "certificate is not trusted"),
        ({"password": "wrong-secret"}, "login was refused (535); check user and password"),
        ({"security": "none", "user": ""}, "530"),
        ({"security": "tls"}, "127.0.0.1"),
        ({"host": "no-such-host.invalid"}, "no-such-host.invalid"),
    ],
)
async def test_a_server_that_is_set_wrong_is_said_without_the_secret(
    hub: Hub, smtp: SmtpPeer, fault: dict[str, Any], said: str
) -> None:
    await made(hub, BILLING)

    await deliver(hub.store, mailer(smtp, **fault), NOW)

    one = (await deliveries(hub))[BILLING]
    assert one["state"] in ("waiting", "refused")
    assert said in one["reason"]
    assert "wrong-secret" not in one["reason"]
    assert smtp.received == []


async def test_without_a_server_the_mail_is_a_file_and_says_so(hub: Hub, tmp_path: Path) -> None:
    await made(hub, BILLING, DESK)

    await deliver(hub.store, Folder(tmp_path / "mail"), NOW)

    [file] = (tmp_path / "mail").iterdir()
    assert b"Subject: " in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    states = await deliveries(hub)
    assert {one["state"] for one in states.values()} == {"filed"}
    assert (
        f"no mail server is set (REPORTER_SMTP_HOST); written to {file}" in states[DESK]["reason"]
    )


async def test_a_mail_whose_hand_over_cannot_be_noted_is_not_handed_over(smtp: SmtpPeer) -> None:
    def at_end() -> None:
        raise StoreError("database: gone")

    with pytest.raises(StoreError):
        await asyncio.to_thread(mailer(smtp).send, b"Subject: x\r\n\r\nx\r\n", "x", BILLING, at_end)

    assert smtp.received == []
    assert not smtp.ended


class Slow:
    """Takes a while, and counts."""

    def __init__(self) -> None:
        self.sent = 0

    def send(self, mail: bytes, name: str, recipient: str, at_end: Callable[[], None]) -> Outcome:
        at_end()
        time.sleep(0.3)
        self.sent += 1
        return Outcome("sent")

    def cut(self) -> None:
        raise AssertionError("was not to be cut")


async def test_two_reporters_never_send_the_same_one_at_once(hub: Hub) -> None:
    await made(hub, BILLING)
    slow: Mailer = Slow()

    await asyncio.gather(*(deliver(hub.store, slow, NOW) for _ in range(2)))

    assert isinstance(slow, Slow)
    assert slow.sent == 1
    assert (await deliveries(hub))[BILLING]["possibly_twice"] is False


# -- a reporter that dies -----------------------------------------------------------------------


def reporter(store_url: str, peer: SmtpPeer, folder: Path) -> subprocess.Popen[bytes]:
    settings = {f"REPORTER_{name.upper()}": str(value) for name, value in peer.settings().items()}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "reporter"],
        env={
            **os.environ,
            **settings,
            "REPORTER_DATABASE_URL": store_url,
            "REPORTER_WAKE_S": "0.2",
            "PAGETALLY_STATE": str(folder),
        },
        stderr=subprocess.DEVNULL,
    )


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("step", "ends"), [("RCPT", 1), ("DATA", 2)])
async def test_a_killed_reporter_sends_again_only_where_nobody_can_know(
    hub: Hub, store_url: str, smtp: SmtpPeer, tmp_path: Path, step: str, ends: int
) -> None:
    await made(hub, BILLING, now=at("2026-01-01T00:00"))
    smtp.held[step] = 1
    first = reporter(store_url, smtp, tmp_path)
    second = None
    try:
        await until(smtp.is_holding.is_set)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        smtp.release.set()
        before = (await deliveries(hub))[BILLING]
        second = reporter(store_url, smtp, tmp_path)
        for _ in range(200):
            if (await deliveries(hub))[BILLING]["state"] == "sent":
                break
            await asyncio.sleep(0.1)
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
    finally:
        for started in (first, second):
            if started is not None and started.poll() is None:
                started.kill()
                started.wait(10)

    after = (await deliveries(hub))[BILLING]
    assert before["state"] == ("sending" if step == "DATA" else "waiting")
    assert (after["state"], after["possibly_twice"]) == ("sent", step == "DATA")
    assert list(smtp.ended.values()) == [ends]
    assert len({one.mail for one in smtp.received}) == 1


async def test_a_sender_that_is_stopped_is_cut_and_its_mailbox_is_open(
    hub: Hub, smtp: SmtpPeer
) -> None:
    await made(hub, BILLING)
    smtp.held["DATA"] = 1
    sending = asyncio.create_task(deliver(hub.store, mailer(smtp, timeout_s=60), NOW))
    await until(smtp.is_holding.is_set)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(sending, 5)

    assert (await deliveries(hub))[BILLING]["state"] == "sending"


async def test_a_server_that_says_a_word_an_hour_is_cut_too(
    hub: Hub, smtp: SmtpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_LONGEST_S", 0.5)
    smtp.held["RCPT"] = 1
    await made(hub, BILLING)

    await asyncio.wait_for(deliver(hub.store, mailer(smtp, timeout_s=60), NOW), 10)

    assert (await deliveries(hub))[BILLING]["state"] == "waiting"


# -- schedules ----------------------------------------------------------------------------------


async def test_a_schedule_makes_the_month_before_once_and_after_a_sleep_each_month_once(
    hub: Hub, store_url: str, tmp_path: Path
) -> None:
    await hub.run(
        "insert into schedule (customer_id, cron, created_at) values (%s, '0 6 1 * *', %s)",
        hub.customer.id,
        at("2026-09-15T00:00"),
    )
    settings = ReporterSettings.model_validate(
        {"database_url": store_url, "report_folder": tmp_path / "reports"}
    )
    working = Reporter(settings, hub.store, Folder(tmp_path / "mail"), asyncio.Event())

    await working.wake(at("2026-10-01T05:59"))
    assert (await hub.one("select count(*) as n from report"))["n"] == 0
    for now in ("2026-10-01T06:00", "2026-10-01T06:01", "2026-12-24T18:00", "2026-12-25T18:00"):
        await working.wake(at(now))

    async with hub.store.transaction() as connection:
        reports = await list_reports(connection)
    assert sorted((str(one["occasion"])[-20:], one["period_from"]) for one in reports) == [
        ("2026-10-01T06:00:00Z", at("2026-09-01T00:00")),
        ("2026-11-01T06:00:00Z", at("2026-10-01T00:00")),
        ("2026-12-01T06:00:00Z", at("2026-11-01T00:00")),
    ]
    assert len(list((tmp_path / "reports").iterdir())) == 3


async def test_no_report_in_the_folder_takes_the_place_of_another(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    for name in ("Müller", "Möller"):
        customer = (await new_hub(store, name)).customer
        async with store.transaction() as connection:
            await connection.execute(
                "insert into schedule (customer_id, cron, created_at)"
                " values (%s, '0 6 1 * *', '2026-09-15 00:00Z')",
                (customer.id,),
            )
    settings = ReporterSettings.model_validate(
        {"database_url": store_url, "report_folder": tmp_path / "reports"}
    )

    working = Reporter(settings, store, Folder(tmp_path / "mail"), asyncio.Event())
    await working.wake(at("2026-10-01T06:00"))

    assert len(list((tmp_path / "reports").iterdir())) == 2


async def test_a_customer_whose_report_cannot_be_made_does_not_stop_another(
    hub: Hub, store: Store, store_url: str, tmp_path: Path
) -> None:
    wrong = await new_hub(store, "Wrong", "Mars/Olympus")
    for one in (wrong, hub):
        await hub.run(
            "insert into schedule (customer_id, cron, created_at) values (%s, '0 6 1 * *', %s)",
            one.customer.id,
            at("2026-09-15T00:00"),
        )
    settings = ReporterSettings.model_validate({"database_url": store_url})

    await Reporter(settings, store, Folder(tmp_path), asyncio.Event()).wake(at("2026-10-01T06:00"))

    assert (await hub.one("select customer_id as id from report"))["id"] == hub.customer.id


async def test_what_stops_the_watch_stops_no_reporter(
    hub: Hub, store: Store, store_url: str, tmp_path: Path
) -> None:
    await hub.run("insert into site_key (site_id, digest) values (%s, 'k')", hub.site_id)
    await hub.run(
        "insert into spool (site_id, id, first_seen_at, last_seen_at, clock_offset_s)"
        " values (%s, gen_random_uuid(), %s, %s, 1e300)",
        *(hub.site_id, utc_now(), utc_now()),
    )
    settings = ReporterSettings.model_validate({"database_url": store_url})
    reporter = Reporter(settings, store, Folder(tmp_path), asyncio.Event())

    await reporter.wake(utc_now())

    assert "nobody is watched" in str(reporter.problem())


async def test_a_report_that_takes_the_database_too_long_does_not_stop_another(
    hub: Hub, store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = await new_hub(store, "Large")
    for one in (large, hub):  # the large one is due first
        await hub.run(
            "insert into schedule (customer_id, cron, created_at) values (%s, '0 6 1 * *', %s)",
            one.customer.id,
            at("2026-09-15T00:00"),
        )

    async def slow_for_one(connection: Connection, customer: int, *rest: Any) -> RoundCounts:
        if customer == large.customer.id:
            await connection.execute("set local statement_timeout = 50")
            await connection.execute("select pg_sleep(5)")
        return await round_counts(connection, customer, *rest)

    monkeypatch.setattr("shared.store.reports.round_counts", slow_for_one)
    settings = ReporterSettings.model_validate({"database_url": store_url})

    for _ in range(2):
        working = Reporter(settings, store, Folder(tmp_path), asyncio.Event())
        await working.wake(at("2026-10-01T06:00"))

    assert (await hub.one("select customer_id as id from report"))["id"] == hub.customer.id


# -- the command --------------------------------------------------------------------------------


def command(store_url: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "report", *words, "--database", store_url],
        env={**os.environ, "PAGETALLY_STATE": str(folder / "state")},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


async def test_the_command_writes_a_workbook_files_a_mail_and_lists_both(
    hub: Hub, store_url: str, tmp_path: Path
) -> None:
    device = await hub.device("A1234", "2026-09-01T00:00")
    await hub.read("2026-09-30T08:00", {"total": 10}, device, serial="A1234")
    await hub.read("2026-10-31T08:00", {"total": 90}, device, serial="A1234")
    await hub.run(
        "insert into recipient (customer_id, address) values (%s, %s)", hub.customer.id, BILLING
    )
    out = tmp_path / "october.xlsx"
    words = ("Acme", "--period", "2026-10", "--out", str(out), "--mail", "--json")

    ran = await asyncio.to_thread(command, store_url, tmp_path, *words)

    assert (ran.returncode, ran.stderr) == (0, "")
    said = json.loads(ran.stdout)
    assert next(iter(said)) == "outcome"
    assert (said["period"], said["deliveries"][0]["state"]) == ("2026-10", "filed")
    assert table(out.read_bytes())[0]["Pages total"] == 80
    listed = await asyncio.to_thread(command, store_url, tmp_path, "list")
    assert "Acme  2026-10" in listed.stdout
    assert f"{BILLING} filed (no mail server is set" in listed.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("Acme\udcff",), 2, "is no text in UTF-8"),
        (("Nobody",), 2, "no customer is called 'Nobody'; known: Acme"),
        (("Acme", "--period", "October"), 2, "write it like 2026-10"),
        (("Acme", "--from", "2026-10-01"), 2, "belong together"),
        (("Acme", "--from", "2026-10-02", "--to", "2026-10-01"), 2, "ends before it begins"),
        (("Acme", "--mail"), 1, "Acme has no recipient"),
    ],
)
async def test_the_command_says_in_one_line_what_is_wrong(
    hub: Hub, store_url: str, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = await asyncio.to_thread(command, store_url, tmp_path, *words)

    assert ran.returncode == code
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
