"""The workbook: a Summary, and Meters with one row a device. The same report gives the same bytes.

Device text is always a string cell, whatever it begins with; a blank cell is not reported, 0 is
reported nought.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from services.reporter.report import MAIN_METERS, STATUSES, Report, Row, printable
from shared.store.reports import StoredRead

_MAX_ROWS = 1_048_576 - 1
_DIGITS = 10**15  # Excel keeps 15 digits of a number
_FILLS = {
    "new": "FFFF99",
    "stale": "FFC0CB",
    "missing": "D9D9D9",
    "no meters": "D9D9D9",
    "changed": "F4B183",
    "counter event": "F4B183",
    "late": "F4B183",
    "held": "F4B183",
}
_FORMATS = {"text": "@", "count": "#,##0", "time": "yyyy-mm-dd hh:mm", "any": "General"}
_FIXED = 8  # Customer to Host: they stay while one scrolls to the right

Value = str | int | datetime | None


class WorkbookError(Exception):
    """The report does not fit into a workbook; the text says why."""


@dataclass(frozen=True)
class Column:
    title: str
    kind: str  # text, count or time
    width: int
    value: Callable[[Row], Value]


def workbook(report: Report) -> bytes:
    """The report as an .xlsx file. Raises: WorkbookError, with more rows than a sheet has."""
    if len(report.rows) > _MAX_ROWS:
        raise WorkbookError(f"{len(report.rows)} rows; a sheet has at most {_MAX_ROWS}")
    book = Workbook(write_only=True)
    book.properties.creator = "Pagetally"
    book.properties.title = f"Meters, {printable(report.customer)}, {report.period.name}"
    book.properties.created = book.properties.modified = report.made_at.replace(tzinfo=None)
    _summary(book.create_sheet("Summary"), report)
    _meters(book.create_sheet("Meters"), report)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).write_data()
    return _without_times(file)


def columns(report: Report) -> list[Column]:
    zone = report.period.zone
    return [
        Column("Customer", "text", 22, lambda row: report.customer),
        Column("Site", "text", 16, lambda row: row.origin.site),
        Column("Location", "text", 20, lambda row: row.origin.location),
        Column("Make", "text", 14, lambda row: row.origin.make),
        Column("Model", "text", 26, lambda row: row.origin.model),
        Column("Serial", "text", 18, lambda row: row.origin.serial),
        Column("Asset ID", "text", 12, lambda row: row.origin.asset_tag),
        Column("IP", "text", 16, lambda row: row.origin.address),
        Column("Host", "text", 18, lambda row: row.origin.hostname),
        Column("MAC", "text", 18, lambda row: row.origin.mac),
        _billed_at(f"Previous reading at ({zone})", report, _opening),
        *(_reading(f"Previous {name}", name, _opening) for name in MAIN_METERS),
        _billed_at(f"Current reading at ({zone})", report, _closing),
        *(_reading(f"Current {name}", name, _closing) for name in MAIN_METERS),
        *(_pages(name) for name in MAIN_METERS),
        Column("Days", "count", 7, _days),
        *(
            column
            for name in report.other_meters
            for column in (
                _reading(f"Previous {name}", name, _opening),
                _reading(f"Current {name}", name, _closing),
                _pages(name),
            )
        ),
        Column("Age (h)", "count", 8, lambda row: _age(row, report)),
        Column("Status", "text", 14, lambda row: row.volume.status),
        Column("Note", "text", 50, lambda row: "; ".join(row.volume.notes)),
        Column("Unit", "text", 14, _units),
        Column("Counts", "text", 12, lambda row: _of(_closing(row), "basis")),
        Column("Source", "text", 9, lambda row: row.origin.target.partition(":")[0]),
        Column("Profile", "text", 16, lambda row: _of(_closing(row), "profile")),
        Column("Agent", "text", 14, lambda row: row.origin.agent),
        Column("Previous read id", "text", 38, lambda row: _of(_opening(row), "id")),
        Column("Current read id", "text", 38, lambda row: _of(_closing(row), "id")),
    ]


def _opening(row: Row) -> StoredRead | None:
    """The previous reading; none where it is the current one as well."""
    read = row.volume.opening
    return None if read is row.volume.closing else read


def _closing(row: Row) -> StoredRead | None:
    return row.volume.closing


def _billed_at(title: str, report: Report, which: Callable[[Row], StoredRead | None]) -> Column:
    def value(row: Row) -> Value:
        read = which(row)
        return report.period.local(read.billed_at) if read else None

    return Column(title, "time", 17, value)


def _reading(title: str, name: str, which: Callable[[Row], StoredRead | None]) -> Column:
    def value(row: Row) -> Value:
        read = which(row)
        return read.meters.get(name) if read else None

    return Column(title, "count", 13, value)


def _pages(name: str) -> Column:
    return Column(f"Pages {name}", "count", 12, lambda row: row.volume.pages.get(name))


def _days(row: Row) -> Value:
    opening, closing = _opening(row), _closing(row)
    return (closing.billed_at - opening.billed_at).days if opening and closing else None


def _age(row: Row, report: Report) -> Value:
    closing = _closing(row)
    if closing is None:
        return None
    seconds = (min(report.period.end, report.made_at) - closing.billed_at).total_seconds()
    return max(0, int(seconds // 3600))


def _units(row: Row) -> Value:
    read = _closing(row)
    if read is None:
        return None
    return ", ".join(sorted({unit for name, unit in read.units.items() if name in MAIN_METERS}))


def _of(read: StoredRead | None, what: str) -> Value:
    value = getattr(read, what) if read else None
    return None if value is None else str(value)


# -- sheets -------------------------------------------------------------------------------------


def _meters(sheet: Worksheet, report: Report) -> None:
    shown = columns(report)
    _page(sheet, [column.width for column in shown], freeze=f"{get_column_letter(_FIXED + 1)}2")
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(shown))}{len(report.rows) + 1}"
    cells = _Cells(sheet)
    sheet.append([cells.header(column.title) for column in shown])
    for row in report.rows:
        _append(
            sheet,
            (cells.of(column.kind, column.value(row), row.volume.status) for column in shown),
        )


def _summary(sheet: Worksheet, report: Report) -> None:
    _page(sheet, [34, 26, 90], freeze="A2")
    cells = _Cells(sheet)
    sheet.append([cells.header(title) for title in ("Item", "Value", "What it means")])
    for item, value, meaning, status in _summary_lines(report):
        kind = {int: "count", datetime: "time"}.get(type(value), "text")
        line = (("text", item), (kind, value), ("text", meaning))
        _append(sheet, (cells.of(of_kind, content, status) for of_kind, content in line))


def _summary_lines(report: Report) -> Iterator[tuple[str, Value, str, str]]:
    """Item, value, what it means, and the status whose colour the line has."""
    period, rounds = report.period, report.rounds
    yield "Customer", report.customer, "", ""
    span = f"from {period.clock(period.start)} until {period.clock(period.end)}"
    yield "Period", period.name, span, ""
    yield "Time zone", period.zone, "of all times in this workbook", ""
    over = "" if report.is_over else "the period was not over: its last pages are not in here"
    yield "Made at", period.local(report.made_at), over, ""
    yield "Devices", report.devices, "known in this period", ""
    yield "Read", report.read, "devices with a reading in this period", ""
    for status, meaning in STATUSES.items():
        yield f"Status: {status}", report.by_status[status], meaning, status
    yield "Needing attention", len(report.attention), "rows with a status other than ok or new", ""
    if report.held_cut:
        yield "Held, not listed", None, "there are more held readings than Meters lists", "held"
    for name in (*MAIN_METERS, *report.other_meters):
        for meter, amount, rows in report.pages(name):
            yield f"Sum of Pages {meter}", amount if rows else None, f"over {rows} devices", ""
    for name in (*MAIN_METERS, *report.other_meters):
        for meter, amount, rows in report.current(name):
            yield f"Sum of Current {meter}", amount if rows else None, f"over {rows} rows", ""
    if report.meters_left_out:
        yield "Meters, not shown", report.meters_left_out, "pagetally explain shows them", ""
    yield "Rounds", rounds.rounds, f"{rounds.interrupted} of them were interrupted", ""
    answers = f"{rounds.read} read + {rounds.failed} failed"
    yield "Found in rounds", rounds.found, answers, ""
    yield "Silent", rounds.silent, "known devices that have not answered in the last rounds", ""
    yield (
        "Search traffic, packets",
        rounds.packets,
        "sent and received at the sites",
        "",
    )
    yield "Search traffic, bytes", rounds.bytes, "with the headers of IP and UDP", ""
    for word, meaning in _WORDS.items():
        yield word, None, meaning, ""


_WORDS = {
    "Previous reading": "the last reading before the period began; of a new device its first one",
    "Current reading": "the last reading in the period",
    "Pages": "current reading less previous reading, as the device counts: sides that were marked,"
    " or what Unit says. Only of a meter that both readings have and that never fell in between",
    "Blank": "not reported, or not to be told; the note says why. 0 is a 0 that was reported",
    "Age (h)": "hours from the current reading to the period's end",
    "Counts": "what the meters count over: the device's life, or page equivalents",
    "Corrected": "said in Note of a reading that was read with a wrong profile: its meters are made"
    " anew from what the device answered then",
    "Entered by hand": "said in Note of a reading that somebody read off the device, with who did;"
    " no device told it",
    "The site's clock": "said in Note of a reading where that was wrong by more than 5 minutes: all"
    " times here are by the hub's clock",
    "Read id": "`pagetally explain READ_ID` shows what the device answered, number by number",
}


def _append(sheet: Worksheet, cells: Iterator[Cell | None]) -> None:
    """Write a row while its cells are made: each is written before the next is filled."""
    sheet.append(cells)  # type: ignore[arg-type]  # the stubs know no cells in a row


def _page(sheet: Worksheet, widths: Sequence[int], freeze: str) -> None:
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.freeze_panes = freeze
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"


class _Cells:
    """One cell a kind and status, filled again for each value: styles are resolved once."""

    def __init__(self, sheet: Worksheet) -> None:
        self._sheet = sheet
        self._cells: dict[tuple[str, str], Cell] = {}

    def header(self, title: str) -> Cell:
        cell = self._new("text", "")
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        return _as_text(cell, title)

    def of(self, kind: str, value: Value, status: str) -> Cell | None:
        if value is None or value == "":
            if status not in _FILLS:
                return None
            kind, value = "any", None
        if isinstance(value, int) and value >= _DIGITS:
            kind, value = "text", str(value)
        if isinstance(value, datetime) and value.year < 1900:
            kind, value = "text", str(value)
        cell = self._cells.get((kind, status))
        if cell is None:
            cell = self._cells[kind, status] = self._new(kind, status)
        if isinstance(value, str):
            return _as_text(cell, value)
        cell.value = value.replace(microsecond=0) if isinstance(value, datetime) else value
        return cell

    def _new(self, kind: str, status: str) -> Cell:
        cell = WriteOnlyCell(self._sheet)
        cell.number_format = _FORMATS[kind]
        if status in _FILLS:
            cell.fill = PatternFill("solid", start_color=_FILLS[status])
        return cell


def _as_text(cell: Cell, text: str) -> Cell:
    cell.value = printable(text, 32_767)
    cell.data_type = "s"  # openpyxl makes a formula of "=…" and an error of "#N/A"
    return cell


def _without_times(file: io.BytesIO) -> bytes:
    """The same archive, with a fixed time in each of its entries."""
    result = io.BytesIO()
    with zipfile.ZipFile(file) as made, zipfile.ZipFile(result, "w") as fixed:
        for name in made.namelist():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            fixed.writestr(entry, made.read(name))
    return result.getvalue()
