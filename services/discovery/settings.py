"""What an operator may set for discovery: DISCOVERY_ and the name, in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import ServiceSettings, state_folder
from shared.targets import Addresses, parse_target

NO_GATEWAY = "none"


class SettingError(Exception):
    """A setting that is missing; the text names it."""


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def checked_gateway(text: str) -> str:
    """Raises: ValueError, unless it is one address, with or without a port, or `none`."""
    if text not in {"", NO_GATEWAY}:
        target = parse_target(text)
        if not isinstance(target, Addresses) or target.size != 1:
            raise ValueError(f"{text[:100]}: neither ADDRESS[:PORT] nor {NO_GATEWAY!r}")
    return text


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]  # "10.0.0.7, printer3"


def _agent_file(name: str) -> Path:
    return state_folder() / "agent" / name


class DiscoverySettings(ServiceSettings):
    model_config = SettingsConfigDict(
        **{**ServiceSettings.model_config, "env_prefix": "DISCOVERY_"}
    )

    bus_url: SecretStr | None = None  # amqp://USER:PASSWORD@HOST:PORT; must be set for the service
    bus_ca_file: Path | None = None  # PEM of the broker's CA; trusted beside the system's
    roster_file: Path = Field(default_factory=lambda: _agent_file("roster.sqlite"))
    ceiling_file: Path = Field(default_factory=lambda: _agent_file("ceiling.toml"))
    credentials_file: Path = Field(default_factory=lambda: _agent_file("credentials.json"))
    rate: float = Field(default=200.0, gt=0)  # datagrams a second; the ceiling's pace is above it
    timeout_s: float = Field(default=2.0, gt=0, le=60)  # how long a pass waits after its last one
    tries: int = Field(default=3, ge=1, le=10)  # datagrams to a known or named device
    max_addresses: int = Field(default=65_536, ge=1)  # of one round
    deadline_s: float = Field(default=4 * 3600, gt=0)  # of one round, from its begin
    read_margin_s: float = Field(default=3600, ge=0)  # an order may be read this long after it
    orders_at_once: int = Field(default=200, ge=1)  # given and not yet taken by the bus
    jitter_s: float = Field(default=600, ge=0)  # a round begins at most this far from its instant
    search_at_start: bool = False
    targets: Words = ()  # searched and read beside the scope's, within the ceiling
    credentials: Words = ()  # the names of those sent to them, in order
    gateway: Annotated[str, AfterValidator(checked_gateway)] = ""  # asked for segments; or "none"
    port: int = Field(default=161, ge=1, le=65535)  # where a target has none of its own
