"""What an operator may set of ingest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

_PORT = 8443


def _own_port(given: object) -> object:
    # Kubernetes sets INGEST_PORT=tcp://10.0.0.1:8443 beside a Service that is called ingest
    return _PORT if isinstance(given, str) and given.startswith("tcp://") else given


class IngestSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True, extra="forbid")

    database_url: SecretStr
    host: str = "127.0.0.1"
    port: Annotated[int, BeforeValidator(_own_port), Field(ge=0, le=65535)] = _PORT
    tls_cert: Path | None = None  # PEM, with its chain, read again when it changes; none: no TLS
    tls_key: Path | None = None  # none: it is in the certificate's file
    ca_file: Path | None = None  # what /v1/ca.pem gives to a new site
    pool_size: int = Field(default=4, ge=1, le=50)
    max_body_bytes: int = Field(default=4_194_304, ge=1024)  # as sent, packed
    max_json_bytes: int = Field(default=8_388_608, ge=1024)  # unpacked
    max_messages: int = Field(default=500, ge=1, le=10_000)  # a batch
    max_body_s: float = Field(default=60, gt=0)  # how long a body may take to arrive
    bodies_mib: int = Field(default=64, ge=8)  # of bodies held at once, arriving and unpacked
    requests_a_minute: int = Field(default=300, ge=1)  # a site key, as the next two
    kib_a_minute: int = Field(default=131_072, ge=1)  # packed
    messages_a_minute: int = Field(default=30_000, ge=1)
    unknown_keys_a_minute: int = Field(default=30, ge=1)  # tried from one address
