"""The mail that brings a report: built once, and handed over as the same bytes ever after. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from services.reporter.report import MAIN_METERS, Report, Row, printable

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*")
_LISTED = 10
_XLSX = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def is_address(text: str) -> bool:
    """Whether any mail server can be given this address: ASCII, one @, nothing to be quoted."""
    local = text.partition("@")[0]
    return len(local) <= 64 and len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def message_id(report_id: UUID, mail_from: str) -> str:
    return f"<{report_id}@{mail_from.rpartition('@')[2]}>"


def file_name(report: Report) -> str:
    customer = re.sub(r"[^A-Za-z0-9]+", "-", report.customer).strip("-")[:60] or "customer"
    return f"meters-{customer}-{report.period.name.replace(' ', '-')}.xlsx".lower()


def mail(
    report: Report, workbook: bytes, report_id: UUID, mail_from: str, recipients: Sequence[str]
) -> bytes:
    """The whole message, with CRLF line ends; the same arguments give the same bytes."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Pagetally", addr_spec=mail_from)
    known = [Address(addr_spec=address) for address in recipients if is_address(address)]
    message["To"] = known or "undisclosed-recipients:;"
    message["Subject"] = _subject(report)
    message["Date"] = report.made_at
    message["Message-ID"] = message_id(report_id, mail_from)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_body(report, workbook), cte="quoted-printable")
    message.add_attachment(
        workbook, maintype="application", subtype=_XLSX, filename=file_name(report)
    )
    message.set_boundary(f"={report_id.hex}=")
    return message.as_bytes()


def plain_mail(
    *, subject: str, lines: Sequence[str], id_: UUID, at: datetime, mail_from: str, recipient: str
) -> bytes:
    """A text alone, with CRLF line ends."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Pagetally", addr_spec=mail_from)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = subject
    message["Date"] = at
    message["Message-ID"] = message_id(id_, mail_from)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return message.as_bytes()


def _subject(report: Report) -> str:
    customer, attention = printable(report.customer, 100), len(report.attention)
    return (
        f"Meters – {customer} – {report.period.name} – {_devices(report.devices)},"
        f" {attention} need{'s' if attention == 1 else ''} attention"
    )


def _body(report: Report, workbook: bytes) -> str:
    period, by_status = report.period, report.by_status
    lines = [
        f"Meters of {printable(report.customer, 200)}, {period.name} ({period.zone})",
        "",
        f"{_devices(report.devices)}, {report.read} read in this period:",
        *(f"  {count} {status}" for status, count in sorted(by_status.items())),
        "",
        *_pages(report),
    ]
    if not report.is_over:
        lines += ["The period was not over when this was made: its last pages are not in here.", ""]
    if report.attention:
        lines += ["Needing attention:", *map(_line, report.attention[:_LISTED])]
        rest = len(report.attention) - _LISTED
        lines += [f"  and {rest} more; see Status on the sheet Meters"] if rest > 0 else []
        lines.append("")
    lines.append(f"{file_name(report)}, SHA-256 {hashlib.sha256(workbook).hexdigest()}")
    return "\n".join(lines) + "\n"


def _pages(report: Report) -> list[str]:
    lines = [
        f"  Pages {one.meter}: {one.amount:,} over {_devices(one.rows)}"
        for name in MAIN_METERS
        for one in report.pages(name)
        if one.rows
    ]
    return [*lines, ""] if lines else ["No pages can be told for this period.", ""]


def _line(row: Row) -> str:
    origin = row.origin
    words = (origin.site, origin.make, origin.model, origin.serial or origin.address)
    device = " ".join(printable(word, 60) for word in words if word)
    return f"  {device}: {row.volume.status}, {printable('; '.join(row.volume.notes), 300)}"


def _devices(number: int) -> str:
    return "1 device" if number == 1 else f"{number:,} devices"
