"""The mail is built once, says in words what the workbook says, and takes no orders from text."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from uuid import UUID

import pytest

from services.reporter.mail import file_name, is_address, mail, message_id
from services.reporter.report import Report, Row
from services.reporter.volume import Volume
from tests.unit.reporter.reads import origin, read
from tests.unit.reporter.test_workbook import in_unit, report, row

REPORT_ID = UUID("11111111-2222-4333-8444-555555555555")
SENDER = "meters@dealer.example"


def parsed(of: Report, *recipients: str) -> EmailMessage:
    message = message_from_bytes(mail(of, b"PK", REPORT_ID, SENDER, recipients), policy=modern)
    assert isinstance(message, EmailMessage)
    return message


def text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_the_mail_says_whose_meters_how_many_and_how_many_need_attention() -> None:
    message = parsed(
        report(row({"total": 1}, {"total": 1235}), Row(origin(serial="9"), Volume("missing"))),
        "billing@dealer.example",
    )

    assert message["Subject"] == (
        "Meters – Müller & Söhne – 2026-10 – 2 devices, 1 needs attention"
    )
    assert message["To"] == "billing@dealer.example"
    assert message["Message-ID"] == f"<{REPORT_ID}@dealer.example>"
    assert "Pages total: 1,234 over 1 device" in text(message)
    assert "head-office Brother HL-L2350DW 9: missing" in text(message)
    [attached] = message.iter_attachments()
    assert attached.get_filename() == "meters-m-ller-s-hne-2026-10.xlsx"
    assert attached.get_content() == b"PK"


def test_the_same_report_gives_the_same_bytes() -> None:
    made = report(row({"total": 1}))

    assert mail(made, b"PK", REPORT_ID, SENDER, ["a@b.example"]) == mail(
        made, b"PK", REPORT_ID, SENDER, ["a@b.example"]
    )


def test_a_name_with_line_breaks_adds_no_header() -> None:
    evil = "Acme\r\nBcc: victim@example.com\r\n\r\nhello\x00"
    message = parsed(
        report(row({"total": 1}, model=evil, serial=evil), customer=evil), "a@b.example"
    )

    assert message["Bcc"] is None
    assert "Acme  Bcc: victim@example.com" in message["Subject"]
    assert set(message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    }


def test_every_line_is_ascii_and_short_enough_for_any_server() -> None:
    long = "Ü" * 900
    sent = mail(
        report(row({"total": 1}, model=long, hostname=long), customer=long),
        bytes(range(256)) * 50,
        REPORT_ID,
        SENDER,
        [],
    )

    assert sent.isascii()
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    assert b"\n" not in sent.replace(b"\r\n", b"")


def test_only_ten_rows_that_need_attention_are_listed_and_the_rest_counted() -> None:
    rows = [Row(origin(serial=str(n)), Volume("missing")) for n in range(25)]

    listed = text(parsed(report(*rows)))
    assert listed.count(": missing, ") == 10
    assert "and 15 more; see Status on the sheet Meters" in listed


def test_pages_of_another_unit_are_a_line_of_their_own() -> None:
    plotter = in_unit(row({"total": 900}, {"total": 950}, serial="2"), "hours")
    said = text(parsed(report(row({"total": 1}, {"total": 11}), plotter)))

    assert "Pages total: 10 over 1 device" in said
    assert "Pages total, hours: 50 over 1 device" in said


def test_without_pages_the_mail_says_so_and_names_no_0() -> None:
    assert "No pages can be told" in text(parsed(report(row({"total": 1}))))


def test_the_files_name_is_plain_ascii_whatever_the_customer_is_called() -> None:
    assert file_name(report(customer="../../etc/passwd")) == "meters-etc-passwd-2026-10.xlsx"
    assert file_name(report(customer="株式会社")) == "meters-customer-2026-10.xlsx"


def test_a_message_id_holds_the_senders_domain() -> None:
    assert message_id(REPORT_ID, SENDER) == f"<{REPORT_ID}@dealer.example>"


@pytest.mark.parametrize(
    ("typed", "good"),
    [
        ("billing@dealer.example", True),
        ("a.b+c@x-y.example", True),
        ("root@localhost", True),
        ("a@b@c", False),
        ("a b@c.example", False),
        ("a@b.example\r\nRCPT TO:<x@y>", False),
        ("<a@b.example>", False),
        ("a..b@c.example", False),
        (".a@c.example", False),
        ("a@-c.example", False),
        ("ä@c.example", False),
        ("", False),
        ("a@" + "b" * 300, False),
    ],
)
def test_only_plain_addresses_are_written_to(typed: str, good: bool) -> None:
    assert is_address(typed) is good


def test_readings_of_a_held_device_are_told_without_pages() -> None:
    held = Row(origin(), Volume("held", closing=read("2026-10-05T08:00", {"total": 3})))

    assert "1 held" in text(parsed(report(held)))
