"""What an operator may set of the poller: POLLER_…"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, state_folder


class SettingError(Exception):
    """A setting that names something that cannot be used; the text says which and what to do."""


def _in_agent(name: str) -> Path:
    return state_folder() / "agent" / name


class PollerSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="POLLER_", frozen=True, extra="forbid")

    bus_url: SecretStr | None = None  # amqp:// or amqps://; none: an in-process bus is handed in
    bus_ca_file: Path | None = None  # PEM of the broker's CA; trusted beside the system's
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0  # that a try waits for its answer
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    read_s: Annotated[float, Field(gt=0, le=600)] = 10  # that a whole read may take
    in_flight: Annotated[int, Field(ge=1, le=1000)] = 32  # reads at once
    ceiling_file: Path = Field(default_factory=lambda: _in_agent("ceiling.toml"))
    credentials_file: Path = Field(default_factory=lambda: _in_agent("credentials.json"))
    ipp_ca_file: Path | None = None  # of printers' certificates; none: they are not checked
    profiles: Path | None = None  # a folder of device profiles beside the built-in ones
