from __future__ import annotations

import os
import pwd

import pytest

from shared.person import name_of_user


def test_an_account_without_a_name_is_called_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(number for number in range(54_321, 60_000) if number not in taken)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: uid)

    assert name_of_user() == f"uid {uid}"


def test_an_account_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "northwind")

    assert name_of_user() == "northwind"
