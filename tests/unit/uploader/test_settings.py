from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.uploader.send import proxy_for
from services.uploader.settings import SettingError, UploaderSettings, read_key

_HUB = "https://hub.example:8443"


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example",
        "hub.example",
        "https://",
        "https://user:secret@hub.example",
        "https://hub.example/?a=1",
        "https://hub.example:99999",
        "ftp://hub.example",
    ],
)
def test_a_hub_that_is_not_plainly_https_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        UploaderSettings(hub_url=url, key_file=tmp_path / "key")


@pytest.mark.parametrize("url", ["socks5://p:1", "proxy", "http://", "http://u:hunter2@p:0"])
def test_a_proxy_that_is_none_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        UploaderSettings.model_validate({"hub_url": _HUB, "key_file": tmp_path, "proxy": url})
    fault = caught.value.errors(include_input=False)[0]
    assert "must be http://" in fault["msg"]
    assert "hunter2" not in fault["msg"]


def test_the_key_is_the_file_s_one_line(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("pt_abc123\n")
    key.chmod(0o600)
    assert read_key(key) == "pt_abc123"


def test_a_key_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("pt_abc123\n")
    key.chmod(0o640)
    with pytest.raises(SettingError, match="chmod 600"):
        read_key(key)


def test_a_mounted_secret_has_its_own_rules(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "key").write_text("pt_abc123")
    (tmp_path / "..2026" / "key").chmod(0o644)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")
    assert read_key(tmp_path / "key") == "pt_abc123"


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"a\nb", b"\xff\xfe", b"x" * 600])
def test_a_file_that_holds_no_key_is_said_to_hold_none(content: bytes, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(0o600)
    with pytest.raises(SettingError, match="holds no site key") as caught:
        read_key(key)
    assert "two words" not in str(caught.value)


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        read_key(tmp_path / "key")


def test_the_proxy_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    assert proxy_for(_HUB, "http://u:p@mine:3128") == "http://u:p@mine:3128"


def test_the_environment_s_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "other:3128")
    assert proxy_for(_HUB, None) == "http://other:3128"


def test_what_is_no_network_in_no_proxy_leaves_the_others_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1/8, a/b, 192.168.0.0/16")
    assert proxy_for("https://192.168.7.1", None) is None


def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://other:1080")
    with pytest.raises(SettingError, match=r"^ALL_PROXY: must be"):
        proxy_for(_HUB, None)


@pytest.mark.parametrize("excepted", ["hub.example", ".example", "a, example", "*"])
def test_no_proxy_excepts_the_hub(excepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert proxy_for(_HUB, None) is None
    assert proxy_for("https://elsewhere.test", None) == (
        None if excepted == "*" else "http://other:3128"
    )


def test_no_proxy_may_name_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", "localhost, 10.0.0.0/8")
    assert proxy_for("https://10.1.2.3", None) is None
    assert proxy_for("https://192.0.2.3", None) == "http://other:3128"


def test_a_variable_that_is_no_proxy_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:hunter2@p:1080")
    with pytest.raises(SettingError, match="HTTPS_PROXY: must be http://") as caught:
        proxy_for(_HUB, None)
    assert "hunter2" not in str(caught.value)
