"""A list of targets as a spreadsheet writes it: target, port, credentials by name, comment.

Pure; errors are told by line, so that a person finds them in the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from shared.fields import Name
from shared.ipp_uri import IppUriError, ipp_uri_of, is_ipp_uri
from shared.targets import Addresses, Broadcast, HostName, TargetError, TypedTarget, parse_target

MAX_ROWS = 10_000  # as many as a scope holds
_MAX_CHARACTERS = 2_000_000
_MAX_FAULTS = 100
_MAX_CREDENTIALS = 20
_MAX_CELL = 300
_DELIMITERS = ",;\t"
_COLUMNS = ("target", "port", "credentials", "comment")
_CALLED = {
    "target": ("target", "address", "ip", "ip address", "host", "network", "subnet", "device"),
    "port": ("port", "snmp port"),
    "credentials": ("credentials", "credential", "credential name", "credential names"),
    "comment": ("comment", "comments", "note", "notes", "description"),
}
_COLUMN_CALLED = {word: column for column, words in _CALLED.items() for word in words}
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class TargetRow(NamedTuple):
    """One line that can be used; `target` is as a scope has it, with its port."""

    line: int
    target: str
    credentials: tuple[str, ...] = ()
    comment: str = ""


class _LineError(ValueError):
    """What is wrong with a line, in words."""


def targets_of_csv(text: str) -> tuple[list[TargetRow], list[str]]:
    """Every line that is right, and `line 7: …` for each that is not.

    Columns are target, port, credentials (several with a blank between) and comment, in this order
    or as a first line names them; all but the first may be left out. Commas, semicolons or tabs
    part them.
    """
    if len(text) > _MAX_CHARACTERS:
        return [], [f"{len(text)} characters; a list of targets has at most {_MAX_CHARACTERS}"]
    rows: list[TargetRow] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    columns: Sequence[str | None] = _COLUMNS
    is_first = True
    for line, cells in _lines(text.removeprefix("\N{BOM}"), faults):
        try:
            header = _header(cells) if is_first else None
            is_first = False
            if header:
                columns = header
                continue
            row = _row(line, cells, columns)
            before = seen.setdefault(row.target.lower(), line)
            if before != line:
                raise _LineError(f"{row.target} is in line {before} already")
            if len(rows) == MAX_ROWS:
                faults.append(f"line {line}: more than {MAX_ROWS} targets; nothing after is read")
                break
            rows.append(row)
        except _LineError as error:
            faults.append(f"line {line}: {error}")
        if len(faults) >= _MAX_FAULTS:
            faults.append(f"line {line}: {_MAX_FAULTS} lines are wrong; nothing after is read")
            break
    return rows, faults


def _lines(text: str, faults: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and not (line == 1 and _is_separator_line(text)):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(f"line {line}: {error}; is a quotation mark open?")


def _is_separator_line(text: str) -> bool:
    return re.match(r"sep=[,;\t]\r?\n", text) is not None


def _delimiter(text: str) -> str:
    """The first that stands outside of quotation marks."""
    found = re.search(f"[{_DELIMITERS}]", re.sub(r'"[^"]*"', "", text))
    return found[0] if found else ","


def _header(cells: Sequence[str]) -> list[str | None] | None:
    """Which columns a first line names; None where it is none. Raises: _LineError."""
    named = [cell.lower().replace("_", " ") for cell in cells]
    if _COLUMN_CALLED.get(named[0]) is None and "target" not in named:
        return None
    header = [_COLUMN_CALLED.get(name) for name in named]
    for cell, column in zip(cells, header, strict=True):
        if cell and column is None:
            raise _LineError(f"no column is called {_shown(cell)}; known are {', '.join(_COLUMNS)}")
        if column and header.count(column) > 1:
            raise _LineError(f"two columns are the {column}")
    if "target" not in header:
        raise _LineError("no column is called target")
    return header


def _row(line: int, cells: Sequence[str], columns: Sequence[str | None]) -> TargetRow:
    """Raises: _LineError."""
    if any(cells[len(columns) :]):
        raise _LineError(f"{len(cells)} columns; there are {len(columns)}: {_names(columns)}")
    said = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
    for column, cell in said.items():
        if len(cell) > _MAX_CELL:
            raise _LineError(f"{len(cell)} characters in {column}; at most {_MAX_CELL}")
        if not cell.isprintable():
            raise _LineError(f"the {column} {_shown(cell)} is not one line of printable text")
        if cell.startswith(("=", "@", "+", "-")):
            raise _LineError(f"the {column} {_shown(cell)} begins as a formula; write it without")
    return TargetRow(line, _target(said), _credentials(said), said.get("comment", ""))


def _target(said: Mapping[str, str]) -> str:
    """Raises: _LineError."""
    entry, port = said.get("target", ""), said.get("port", "")
    if is_ipp_uri(entry):
        return _ipp(entry, port)
    target = _parsed(entry)
    if isinstance(target, Broadcast):
        raise _LineError("broadcast is chosen for a segment, and is no target of a list")
    if not port:
        return entry
    if not isinstance(target, HostName) and not (
        isinstance(target, Addresses) and target.span[0] == target.span[1]
    ):
        raise _LineError(f"{entry}: a port belongs to one address or name")
    if target.port is not None and str(target.port) != port:
        raise _LineError(f"{entry}: has a port already, and {_shown(port)} is another")
    host = entry if target.port is None else entry.rpartition(":")[0]
    bare = host.strip("[]")
    typed = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    _parsed(typed)
    return typed


def _ipp(entry: str, port: str) -> str:
    """Raises: _LineError."""
    if port:
        raise _LineError("the port of an IPP printer stands in its URI")
    try:
        return str(ipp_uri_of(entry))
    except IppUriError as error:
        raise _LineError(f"an IPP printer: {error}") from None


def _parsed(entry: str) -> TypedTarget:
    """Raises: _LineError."""
    try:
        return parse_target(entry)
    except TargetError as error:
        raise _LineError(str(error)) from None


def _credentials(said: Mapping[str, str]) -> tuple[str, ...]:
    """Raises: _LineError."""
    words = re.split(r"[\s,;|]+", said.get("credentials", "").strip(" ,;|"))
    names = tuple(dict.fromkeys(word for word in words if word))
    if len(names) > _MAX_CREDENTIALS:
        raise _LineError(f"{len(names)} credentials; a range has at most {_MAX_CREDENTIALS}")
    for name in names:
        try:
            _NAME.validate_python(name)
        except ValidationError:
            raise _LineError(f"{_shown(name)} is no name of a credential") from None
    if names and is_ipp_uri(said.get("target", "")):
        raise _LineError("an IPP printer is asked without credentials")
    return names


def _names(columns: Sequence[str | None]) -> str:
    return ", ".join(column or "(no name)" for column in columns)


def _shown(cell: str) -> str:
    return repr(cell[:40])
