from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from services.uploader.settings import SettingError, UploaderSettings
from services.uploader.way import Way


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    put(file, "pt_old")
    return file


@pytest.fixture
def way(key: Path) -> Way:
    return Way(UploaderSettings(hub_url="https://hub.example", key_file=key))


def put(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)


async def test_the_hub_is_asked_with_the_key_that_its_file_holds_now(way: Way, key: Path) -> None:
    before = await way.to_hub()
    assert (await way.to_hub()) is before
    put(key, "pt_new")
    assert way.has_changed()
    after = await way.to_hub()
    assert after is not before
    assert after._client.headers["authorization"] == "Bearer pt_new"
    assert before._client.is_closed
    assert not way.has_changed()


async def test_a_file_without_a_key_is_told_and_no_change_to_try(way: Way, key: Path) -> None:
    put(key, "")
    assert not way.has_changed()
    with pytest.raises(SettingError, match="holds no site key"):
        await way.to_hub()


async def test_authorities_that_are_none_are_told_until_they_are_right(key: Path) -> None:
    authorities = key.with_name("ca.pem")
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        pytest.skip("the system has no file of authorities")
    shutil.copy(system, authorities)
    way = Way(UploaderSettings(hub_url="https://hub.example", key_file=key, ca_file=authorities))
    put(authorities, "nothing")
    for _ in range(2):
        with pytest.raises(SettingError, match="holds no certificate"):
            await way.to_hub()
    assert not way.has_changed()
