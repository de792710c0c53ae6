"""One computer that cannot be asked hinders neither the others nor the round."""

from __future__ import annotations

import sys

import pytest
from pydantic import SecretStr

from services.discovery.local_devices import remote_spooler
from services.discovery.local_devices.attached import list_attached
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.scope import Spooler

_ACCOUNT = Credential(version="windows", user=SecretStr("reader"), password=SecretStr("hushhush"))


async def test_a_box_that_can_start_no_process_names_the_computers_that_were_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_spooler, "find_spec", lambda _: True)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    asked = [
        Spooler(host="10.1.1.1", protocol="rprn_pipe", credential="account"),
        Spooler(host="10.1.1.2", protocol="rprn_pipe"),
    ]

    listed = await list_attached(
        asked,
        ceiling=Ceiling((), spooler_hosts=("10.1.1.1", "10.1.1.2")),
        credentials={"account": _ACCOUNT},
    )

    reasons = {one.target: one.reason for one in listed.not_reached}
    assert "could not be asked" in reasons["10.1.1.1"]
    assert "hushhush" not in reasons["10.1.1.1"]
    assert "none is chosen" in reasons["10.1.1.2"]
