"""Settings: a wrong one is told, and ends with exit 2."""

from __future__ import annotations

from typing import Self

import pytest
from pydantic import model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, settings_or_exit, unknown_settings


class PollerLike(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="POLLER_", frozen=True, extra="forbid")

    timeout_s: float = 2.0


def test_a_misspelt_setting_is_told_with_its_likely_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLLER_TIMOUT_S", "3")

    with pytest.raises(SystemExit) as stopped:
        settings_or_exit(PollerLike)

    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == "POLLER_TIMOUT_S: unknown setting; did you mean POLLER_TIMEOUT_S?\n"


def test_a_value_of_the_wrong_kind_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLLER_TIMEOUT_S", "soon")

    with pytest.raises(SystemExit) as stopped:
        settings_or_exit(PollerLike)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("POLLER_TIMEOUT_S: Input should be a valid number")


def test_settings_that_do_not_go_together_are_told_in_their_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Whole(PollerLike):
        @model_validator(mode="after")
        def is_whole(self) -> Self:
            raise ValueError("POLLER_ONE needs POLLER_OTHER")

    with pytest.raises(SystemExit):
        settings_or_exit(Whole)

    assert capsys.readouterr().err == "POLLER_ONE needs POLLER_OTHER\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLLER_LOG_LEVEL", "loud"),
        ("POLLER_LOG_FORMAT", "xml"),
        ("POLLER_HEALTH_PORT", "65536"),
        ("POLLER_HEALTH_PORT", "-1"),
    ],
)
def test_a_value_that_nothing_could_be_done_with_is_told(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as stopped:
        settings_or_exit(PollerLike)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"{name}: Input should be ")


def test_what_kubernetes_sets_beside_a_service_is_no_setting() -> None:
    environment = {
        "POLLER_PORT": "tcp://10.0.0.1:80",
        "POLLER_SERVICE_HOST": "10.0.0.1",
        "POLLER_SERVICE_PORT": "80",
        "POLLER_SERVICE_PORT_HTTPS": "80",
        "POLLER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "POLLER_PORT_80_TCP_ADDR": "10.0.0.1",
        "POLLER_OTHER_PORT": "tcp://10.0.0.2:80",
        "POLLER_OTHER_PORT_80_TCP_PORT": "80",
    }

    assert unknown_settings(PollerLike, environment) == []


def test_a_misspelt_port_is_not_taken_for_one_that_kubernetes_set() -> None:
    [fault] = unknown_settings(PollerLike, {"POLLER_HELTH_PORT": "9100"})

    assert fault == "POLLER_HELTH_PORT: unknown setting; did you mean POLLER_HEALTH_PORT?"
