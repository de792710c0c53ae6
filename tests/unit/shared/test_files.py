"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.files import write_private


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_has_its_mode_whatever_was_there_before(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o666)

    write_private(file, "new", mode)

    assert file.read_text(encoding="utf-8") == "new"
    assert file.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="no regular file"):
        write_private(pipe, "new")

    assert list(tmp_path.iterdir()) == [pipe]
