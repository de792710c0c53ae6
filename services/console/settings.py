"""What an operator may set for the console."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

_PORT = 8080


def _own_port(given: object) -> object:
    # Kubernetes sets CONSOLE_PORT=tcp://10.0.0.1:8080 beside a Service that is called console
    return _PORT if isinstance(given, str) and given.startswith("tcp://") else given


class ConsoleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="CONSOLE_")

    database_url: SecretStr
    host: str = "127.0.0.1"
    port: Annotated[int, BeforeValidator(_own_port), Field(ge=0, le=65535)] = _PORT
    names: str = ""  # further names it is called by, with commas; any, where host is no loopback

    @property
    def allowed_names(self) -> list[str]:
        """What a browser may call this host.

        On loopback no other name is taken: a page elsewhere whose name was turned to 127.0.0.1
        could read the console otherwise.
        """
        own = [name.strip() for name in self.names.split(",") if name.strip()]
        if own or self.on_loopback:
            return ["127.0.0.1", "localhost", "[::1]", *own]
        return ["*"]

    @property
    def on_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
