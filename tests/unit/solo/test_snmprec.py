"""Folders of recordings that are not served."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.solo.snmprec import serve_recordings
from shared.snmprec import RecordingError


async def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no file there"):
        async with serve_recordings(tmp_path):
            pass


async def test_recordings_are_never_served_off_loopback(tmp_path: Path) -> None:
    (tmp_path / "device.snmprec").write_text("1.3.6|2|1\n", encoding="utf-8")

    with pytest.raises(ValueError, match="loopback addresses only"):
        async with serve_recordings(tmp_path, "10.0.0.1"):
            pass
