"""Credentials: kept for their owner's eyes, never shown in an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.credentials import (
    Credential,
    CredentialError,
    load_credentials,
    save_credential,
    windows_credential,
)

V3 = {
    "version": "3",
    "user": "us3r-of-v3",
    "auth": "sha256",
    "auth_password": "auth-s3cret",
    "privacy": "aes128",
    "privacy_password": "privacy-s3cret",
    "context": "Jetdirect",
}
SECRETS = {"us3r-of-v3", "auth-s3cret", "privacy-s3cret"}


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


def test_a_credential_of_v3_is_read_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    saved = Credential.model_validate(V3)
    save_credential(file, "copiers", saved)

    assert load_credentials(file)["copiers"] == saved
    assert json.loads(file.read_text(encoding="utf-8")) == {"copiers": V3}


def test_a_mounted_secret_may_hold_one_of_v3(tmp_path: Path) -> None:
    (tmp_path / "copiers").write_text(json.dumps(V3), encoding="utf-8")

    assert load_credentials(tmp_path)["copiers"].level == "authPriv"


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({}, "authPriv"),
        ({"privacy": "none", "privacy_password": None}, "authNoPriv"),
        (
            {
                "auth": "none",
                "auth_password": None,
                "privacy": "none",
                "privacy_password": None,
            },
            "noAuthNoPriv",
        ),
    ],
)
def test_the_security_level_is_that_of_the_protocols(fields: dict[str, object], level: str) -> None:
    assert Credential.model_validate(V3 | fields).level == level


def test_a_credential_of_v3_has_no_community_to_fall_back_to() -> None:
    with pytest.raises(CredentialError, match="no community"):
        _ = Credential.model_validate(V3).community_octets


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"community": "public"}, "SNMPv3 has no community"),
        ({"user": None}, "user has 1 to 32 octets"),
        ({"user": "ü" * 17}, "user has 1 to 32 octets"),
        ({"user": "\udc80"}, "user has 1 to 32 octets"),
        ({"context": "x" * 256}, "context has at most 255 octets"),
        ({"auth_password": "seven.7"}, "password for authentication has 8 to 1024 octets"),
        ({"auth_password": None}, "password for authentication has 8 to 1024 octets"),
        ({"privacy_password": "seven.7"}, "password for privacy has 8 to 1024 octets"),
        ({"privacy_password": "x" * 1025}, "password for privacy has 8 to 1024 octets"),
        ({"privacy": "none"}, "a password for privacy, and no protocol for it"),
        ({"auth": "none", "auth_password": None}, "privacy needs authentication too"),
        ({"auth": "sha3"}, "auth: Input should be"),
        ({"privacy": "aes256"}, "privacy: Input should be"),
        ({"version": "2c", "community": "public"}, "of version 3 alone"),
        ({"version": "2c"}, "a community is missing"),
        ({"password": "of-windows"}, "domain, password: of version windows alone"),
        ({"version": "windows"}, "of SNMP, and not of a Windows account"),
    ],
)
def test_a_credential_that_cannot_be_used_is_told_by_its_name_and_without_a_secret(
    tmp_path: Path, fields: dict[str, object], fault: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"copiers": V3 | fields}), encoding="utf-8")
    file.chmod(0o600)

    with pytest.raises(CredentialError, match=f"'copiers': .*{fault}") as told:
        load_credentials(file)

    assert not any(secret in str(told.value) for secret in SECRETS | {"public", "seven.7"})


@pytest.mark.parametrize("password", ["short-7", ["short-7"]])
def test_no_secret_is_in_a_repr_or_in_the_error_of_a_credential_that_is_none(
    password: object,
) -> None:
    with pytest.raises(ValidationError) as told:
        Credential.model_validate(V3 | {"auth_password": password})

    shown = repr(Credential.model_validate(V3)) + str(Credential.model_validate(V3))
    shown += str(told.value) + repr(told.value)
    assert not any(secret in shown for secret in SECRETS | {"short-7"})


def test_a_windows_account_is_read_back_and_has_no_community(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    save_credential(
        file, "print-servers", windows_credential(account=r"OFFICE\reader", password="p")
    )
    kept = load_credentials(file)["print-servers"]

    assert kept.user and (kept.domain, kept.user.get_secret_value()) == ("OFFICE", "reader")
    assert kept.password and kept.password.get_secret_value() == "p"
    with pytest.raises(CredentialError, match="version windows has no community"):
        _ = kept.community_octets


@pytest.mark.parametrize(
    ("account", "password"),
    [("", "p"), ("OFFICE\\", "p"), ("reader", ""), ("reader", "x" * 257), ("d" * 257 + "\\r", "p")],
)
def test_a_windows_account_without_user_or_password_is_none(account: str, password: str) -> None:
    with pytest.raises(CredentialError, match=r"a Windows (account|domain) has"):
        windows_credential(account=account, password=password)
