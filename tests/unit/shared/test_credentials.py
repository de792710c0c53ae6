"""Credentials: kept for their owner's eyes, never shown in an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.credentials import Credential, CredentialError, load_credentials, save_credential


def test_a_saved_credential_is_read_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    save_credential(file, "head-office", Credential(community=SecretStr("s3cret")))

    loaded = load_credentials(file)

    assert loaded["head-office"].community_octets == b"s3cret"
    assert "public" in loaded
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    save_credential(file, "head-office", Credential(community=SecretStr("s3cret")))
    file.chmod(0o644)

    with pytest.raises(CredentialError, match="chmod 600"):
        load_credentials(file)


def test_a_folder_of_mounted_secrets_holds_one_a_file(tmp_path: Path) -> None:
    (tmp_path / "branch").write_text("abc\n", encoding="utf-8")
    (tmp_path / "old").write_text('{"version": "1", "community": "def"}', encoding="utf-8")
    (tmp_path / "..meta").mkdir()

    loaded = load_credentials(tmp_path)

    assert loaded["branch"].community_octets == b"abc"
    assert loaded["old"].version == "1"


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {"community": 5}}', '{"a": {"comunity": "x"}}'])
def test_a_broken_file_is_told_without_the_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)

    with pytest.raises(CredentialError) as told:
        load_credentials(file)

    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="a name holds"):
        save_credential(tmp_path / "c.json", "../x", Credential(community=SecretStr("x")))
