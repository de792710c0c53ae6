"""The workbook holds what was read, as people and import tools need it, and nothing that acts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from services.reporter import workbook as module
from services.reporter.period import month
from services.reporter.report import Report, Row, held_row, sorted_rows
from services.reporter.volume import Volume, device_volume
from services.reporter.workbook import WorkbookError, workbook
from shared.store.reports import HeldRead, RoundCounts, StoredRead
from tests.unit.reporter.reads import at, origin, read

OCTOBER = month("2026-10", "Europe/Berlin")
MADE_AT = at("2026-11-01T06:00")


def row(*meters: dict[str, int], **device: Any) -> Row:
    times = ["2026-09-30T08:00", "2026-10-31T08:00"][-len(meters) :]
    reads = [read(taken, one) for taken, one in zip(times, meters, strict=True)]
    return Row(origin(**device), device_volume(reads, OCTOBER, MADE_AT))


def in_unit(row: Row, unit: str) -> Row:
    def said(read: StoredRead | None) -> StoredRead | None:
        return replace(read, units=dict.fromkeys(read.meters, unit)) if read else None

    volume = row.volume
    return replace(
        row, volume=replace(volume, opening=said(volume.opening), closing=said(volume.closing))
    )


def report(*rows: Row, **other: Any) -> Report:
    fields: dict[str, Any] = {
        "customer": "Müller & Söhne",
        "period": OCTOBER,
        "made_at": MADE_AT,
        "rows": sorted_rows(rows),
        "rounds": RoundCounts(),
    }
    return Report(**{**fields, **other})


def sheet(made: bytes, name: str = "Meters") -> Worksheet:
    opened = load_workbook(io.BytesIO(made))[name]
    assert isinstance(opened, Worksheet)
    return opened


def table(made: bytes) -> list[dict[str, Any]]:
    titles, *rows = sheet(made).iter_rows(values_only=True)
    return [dict(zip(map(str, titles), one, strict=True)) for one in rows]


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def summary(made: bytes) -> dict[str, Any]:
    rows = sheet(made, "Summary").iter_rows(values_only=True)
    return {str(item): value for item, value, _ in rows}


def test_a_row_read_again_holds_the_same_values() -> None:
    [found] = table(
        workbook(report(row({"total": 1000, "mono": 900}, {"total": 1500, "mono": 1300})))
    )

    assert found["Customer"] == "Müller & Söhne"
    assert found["Serial"] == "000123"
    assert found["Previous reading at (Europe/Berlin)"] == wall("2026-09-30T10:00")
    assert found["Current reading at (Europe/Berlin)"] == wall("2026-10-31T09:00")
    assert [found[f"{when} total"] for when in ("Previous", "Current", "Pages")] == [
        1000,
        1500,
        500,
    ]
    assert [found[f"{when} color"] for when in ("Previous", "Current", "Pages")] == [None] * 3
    assert (found["Days"], found["Age (h)"], found["Status"]) == (31, 15, "ok")
    assert (found["Unit"], found["Counts"], found["Source"]) == ("impressions", "life", "snmp")
    expected = read("2026-10-31T08:00", {"total": 1500, "mono": 1300}).id
    assert found["Current read id"] == str(expected)


def test_blank_is_not_0_and_0_is_not_blank() -> None:
    [found] = table(workbook(report(row({"total": 7, "color": 0}, {"total": 7, "color": 0}))))

    assert (found["Current color"], found["Pages color"], found["Pages total"]) == (0, 0, 0)
    assert (found["Current mono"], found["Pages mono"]) == (None, None)


def test_other_meters_have_columns_only_where_a_device_reports_them() -> None:
    titles = table(workbook(report(row({"total": 7, "scan": 1}, {"total": 7, "scan": 3}))))[0]

    assert titles["Pages scan"] == 2
    assert "Pages fax" not in titles


def test_serials_addresses_and_huge_counts_are_text() -> None:
    made = workbook(report(row({"total": 2**63 - 1}, serial="1E5", asset_tag="007")))
    [found] = table(made)

    assert (found["Serial"], found["Asset ID"], found["IP"]) == ("1E5", "007", "10.0.0.7")
    assert found["Current total"] == "9223372036854775807"
    assert {cell.data_type for cell in sheet(made)[2] if isinstance(cell.value, str)} == {"s"}


def test_meters_are_numbers_with_thousands_and_times_are_dates() -> None:
    made = sheet(workbook(report(row({"total": 7}, {"total": 8}))))
    cells = {str(title.value): cell for title, cell in zip(made[1], made[2], strict=True)}

    assert cells["Current total"].number_format == "#,##0"
    assert cells["Current total"].data_type == "n"
    assert cells["Current reading at (Europe/Berlin)"].number_format == "yyyy-mm-dd hh:mm"
    assert cells["Current reading at (Europe/Berlin)"].data_type == "d"
    assert cells["Serial"].number_format == "@"


@pytest.mark.parametrize(
    "text",
    ['=HYPERLINK("http://x","y")', "+1+1", "-2", "@SUM(A1)", "=1", "#REF!", "{=1}", "\t=1", "\r=1"],
)
def test_device_text_is_never_a_formula_and_never_an_error(text: str) -> None:
    made = workbook(report(row({"total": 7}, model=text, hostname=text), customer=text))

    for name in ("Meters", "Summary"):
        cells = [cell for line in sheet(made, name).iter_rows() for cell in line]
        assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        parts = [archive.read(part) for part in archive.namelist() if "sheet" in part]
    assert not any(b"<f>" in part or b"<f " in part or b"hyperlink" in part for part in parts)
    assert table(made)[0]["Model"] == text.strip()


def test_control_characters_and_what_breaks_xml_are_taken_out() -> None:
    hostile = "HP\x00\x07 La\nser\x1b[31m\x85\ufffe\uffff\u202e\u2066"
    [found] = table(workbook(report(row({"total": 7}, model=hostile))))

    assert found["Model"] == "HP   La ser [31m"


def test_status_is_a_word_and_a_colour() -> None:
    made = workbook(
        report(
            row({"total": 1}, {"total": 2}, serial="1"),
            row({"total": 2}, serial="2"),
            Row(
                origin(serial="3"),
                Volume("missing", opening=read("2026-09-01T08:00", {"total": 3})),
            ),
        )
    )
    shown = sheet(made)
    colours = [shown[line][5].fill.start_color.rgb for line in (2, 3, 4)]

    assert [one["Status"] for one in table(made)] == ["ok", "new", "missing"]
    assert colours == ["00000000", "00FFFF99", "00D9D9D9"]


def test_the_sheet_is_a_plain_table_that_can_be_filtered_and_printed() -> None:
    made = workbook(report(row({"total": 1}, {"total": 2}), row({"total": 5}, serial="9")))
    shown = sheet(made)

    assert shown.freeze_panes == "I2"
    assert shown.auto_filter.ref == f"A1:{get_column_letter(shown.max_column)}3"
    assert not shown.merged_cells.ranges
    assert (shown.page_setup.orientation, shown.page_setup.fitToWidth) == ("landscape", 1)
    assert shown.page_setup.fitToHeight == 0
    assert shown.sheet_properties.pageSetUpPr is not None
    assert shown.sheet_properties.pageSetUpPr.fitToPage
    assert shown.print_title_rows == "$1:$1"
    assert shown.column_dimensions["F"].width == 18
    assert all(cell.value is not None for cell in shown[1])


def test_the_summary_counts_and_sums_what_is_on_meters() -> None:
    held = HeldRead(read("2026-10-05T08:00", {"total": 9}), origin(serial=None), "no serial", 3)
    made = workbook(
        report(
            row({"total": 1}, {"total": 11}, serial="1"),
            row({"total": 20}, {"total": 22}, serial="2"),
            row({"total": 500}, serial="3"),
            Row(origin(serial="4"), Volume("missing")),
            held_row(held),
            rounds=RoundCounts(rounds=4, found=9, read=8, failed=1, packets=10, bytes=850),
        )
    )
    said = summary(made)

    assert said["Period"] == "2026-10"
    assert said["Time zone"] == "Europe/Berlin"
    assert said["Made at"] == wall("2026-11-01T07:00")
    assert (said["Devices"], said["Read"], said["Needing attention"]) == (4, 3, 2)
    assert (said["Status: ok"], said["Status: new"], said["Status: missing"]) == (2, 1, 1)
    assert said["Status: held"] == 1
    assert said["Sum of Pages total"] == 12
    assert said["Sum of Current total"] == 11 + 22 + 500 + 9
    assert said["Sum of Pages color"] is None
    assert (said["Found in rounds"], said["Search traffic, bytes"]) == (9, 850)
    assert "Previous reading" in said


def test_hours_and_metres_are_not_added_to_impressions() -> None:
    plotter = row({"total": 900}, {"total": 950}, serial="2")
    made = report(row({"total": 1}, {"total": 11}, serial="1"), in_unit(plotter, "hours"))
    said = summary(workbook(made))

    assert (said["Sum of Pages total"], said["Sum of Pages total, hours"]) == (10, 50)
    assert (said["Sum of Current total"], said["Sum of Current total, hours"]) == (11, 950)


def test_a_period_that_is_not_over_says_so() -> None:
    made = workbook(report(row({"total": 1}), made_at=at("2026-10-31T09:00")))

    rows = sheet(made, "Summary").iter_rows(values_only=True)
    assert any(item == "Made at" and "was not over" in str(meaning) for item, _, meaning in rows)


def test_a_read_from_before_excels_calendar_is_text() -> None:
    opening = read("0900-01-01T00:00", {"total": 1})
    [found] = table(workbook(report(Row(origin(), Volume("ok", opening, None)))))

    assert str(found["Previous reading at (Europe/Berlin)"]).startswith("0900-01-01")


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ROWS", 1)

    with pytest.raises(WorkbookError, match="at most 1"):
        workbook(report(row({"total": 1}), row({"total": 2})))


def test_hundreds_of_meters_of_a_hostile_device_do_not_widen_the_sheet_without_end() -> None:
    made = workbook(report(row({f"m{number}": number for number in range(500)})))

    assert sheet(made).max_column < 220
    assert summary(made)["Meters, not shown"] == 440


_SAME = """
import sys, hashlib
from tests.unit.reporter.test_workbook import report, row, workbook
rows = [row({"total": n, "scan": 1}, {"total": n + 5, "fax": 2}, serial=str(n)) for n in range(20)]
print(hashlib.sha256(workbook(report(*rows[::int(sys.argv[1])]))).hexdigest())
"""


def test_the_same_report_gives_the_same_bytes_in_any_process_at_any_time() -> None:
    digests = set()
    for seed, order in (("1", "1"), ("2", "-1")):
        run = subprocess.run(
            [sys.executable, "-c", _SAME, order],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"},
            capture_output=True,
            check=True,
        )
        digests.add(run.stdout)
        time.sleep(1)  # a zip's times are of two seconds
    assert len(digests) == 1


def test_two_thousand_devices_are_a_workbook_within_seconds() -> None:
    rows = [
        row({"total": n, "mono": n, "color": 0}, {"total": n + 9, "mono": n + 9}, serial=str(n))
        for n in range(2000)
    ]
    started = time.monotonic()

    made = workbook(report(*rows))

    assert time.monotonic() - started < 10
    assert sheet(made).max_row == 2001
