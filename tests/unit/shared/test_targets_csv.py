"""Lists of targets as spreadsheets write them, with what is wrong told by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.targets_csv import TargetRow, targets_of_csv


def test_a_list_without_a_first_line_of_names_is_read_by_position() -> None:
    rows, faults = targets_of_csv(
        "10.0.0.7\n"
        "10.0.0.8,1161,head-office public,second floor\n"
        "\n"
        "10.1-4.0.0/24,,branch\n"
        "printer7.example,1161\n"
        "fd00::7,1161\n"
        "ipp://10.0.0.9/ipp/print,,,by IPP\n"
    )

    assert faults == []
    assert rows == [
        TargetRow(1, "10.0.0.7"),
        TargetRow(2, "10.0.0.8:1161", ("head-office", "public"), "second floor"),
        TargetRow(4, "10.1-4.0.0/24", ("branch",)),
        TargetRow(5, "printer7.example:1161"),
        TargetRow(6, "[fd00::7]:1161"),
        TargetRow(7, "ipp://10.0.0.9/ipp/print", (), "by IPP"),
    ]


def test_a_first_line_of_names_says_which_columns_there_are() -> None:
    rows, faults = targets_of_csv("Comment,IP Address,Credential\nhall,10.0.0.7,public\n")

    assert (rows, faults) == ([TargetRow(2, "10.0.0.7", ("public",), "hall")], [])


def test_what_excel_writes_where_the_comma_is_a_decimal_one_is_read() -> None:
    text = (
        "\N{BOM}sep=;\r\nTarget;Port;Credentials;Comment\r\n10.0.0.7;161;a,b;left, then right\r\n"
    )

    assert targets_of_csv(text) == (
        [TargetRow(3, "10.0.0.7:161", ("a", "b"), "left, then right")],
        [],
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("10.0.0.300", "line 3: 10.0.0.300: '10.0.0.300' is neither an IPv4 address"),
        ("10.0.0.7,0", "line 3: 10.0.0.7:0: a port is a number from 1 to 65535, not '0'"),
        ("10.0.0.0/24,161", "line 3: 10.0.0.0/24: a port belongs to one address or name"),
        ("10.0.0.7:161,162", "line 3: 10.0.0.7:161: has a port already, and '162' is another"),
        ("ipp://10.0.0.7/,631", "line 3: the port of an IPP printer stands in its URI"),
        ("ipp://10.0.0.7/,,public", "line 3: an IPP printer is asked without credentials"),
        ("10.0.0.7,,../secret", "line 3: '../secret' is no name of a credential"),
        ("10.0.0.7,,,=HYPERLINK(1)", "line 3: the comment '=HYPERLINK(1)' begins as a formula"),
        ("@SUM(1)", "line 3: the target '@SUM(1)' begins as a formula"),
        ("10.0.0.7,,,,more", "line 3: 5 columns; there are 4: target, port, credentials, comment"),
        (",161", "line 3: (empty): nothing is written here"),
        ("10.0.0.7,,," + "a" * 301, "line 3: 301 characters in comment; at most 300"),
        ('10.0.0.7,,,"two\nlines"', "line 3: the comment 'two\\nlines' is not one line"),
        ("Broadcast", "line 3: broadcast is chosen for a segment"),
        ("10.0.0.1", "line 3: 10.0.0.1 is in line 1 already"),
        ('10.0.0.7,,,"open', "line 3: unexpected end of data; is a quotation mark open?"),
        (" ".join(["10.0.0.7,,", *(f"c{n}" for n in range(21))]), "line 3: 21 credentials"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_rest_is_read(line: str, said: str) -> None:
    rows, faults = targets_of_csv(f"10.0.0.1\n10.0.0.2\n{line}\n")

    assert [row.target for row in rows] == ["10.0.0.1", "10.0.0.2"]
    [fault] = faults
    assert fault.startswith(said)
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("target,prot", "line 1: no column is called 'prot'; known are target, port"),
        ("target,address", "line 1: two columns are the target"),
        ("port,comment", "line 1: no column is called target"),
    ],
)
def test_a_first_line_of_wrong_names_is_told(header: str, said: str) -> None:
    _, [fault, *_] = targets_of_csv(f"{header}\n10.0.0.7,161\n")

    assert fault.startswith(said)


def test_a_list_is_bounded() -> None:
    many = "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(10_001))
    rows, faults = targets_of_csv(many)
    assert len(rows) == 10_000
    assert faults == ["line 10001: more than 10000 targets; nothing after is read"]

    rows, faults = targets_of_csv("=\n" * 5000)
    assert (rows, len(faults)) == ([], 101)

    assert targets_of_csv("a" * 2_000_001)[1][0].startswith("2000001 characters")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_rows_and_faults_of_one_line(text: str) -> None:
    rows, faults = targets_of_csv(text)

    assert all(fault.isprintable() for fault in faults)
    assert all(row.target.isprintable() and row.comment.isprintable() for row in rows)
