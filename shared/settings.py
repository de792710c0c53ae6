"""What an operator may set: one frozen settings object a service, from the environment."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="ServiceSettings")

# What Kubernetes puts beside a Service named "poller", with POLLER_PORT=tcp://…
_KUBERNETES = re.compile(
    r"(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)"
)


class ServiceSettings(BaseSettings):
    """A service's settings; a subclass sets `env_prefix`, e.g. "POLLER_"."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", secrets_dir=None)

    agent: str = "agent"  # the name that this process' messages carry
    log_format: Literal["kv", "json"] = "kv"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_port: int = Field(default=0, ge=0, le=65535)  # on loopback; 0: any free one


def settings_or_exit(kind: type[S], **overrides: object) -> S:
    """The settings from the environment; a wrong one is told on stderr and ends with exit 2."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    for fault in unknown_settings(kind, os.environ):
        _stop(fault)
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        fault_at = error.errors(include_input=False, include_url=False)[0]
        said = fault_at["msg"].removeprefix("Value error, ")
        name = prefix + ".".join(str(step) for step in fault_at["loc"]).upper()
        _stop(f"{name}: {said}" if fault_at["loc"] else said)


def unknown_settings(kind: type[ServiceSettings], environment: Mapping[str, str]) -> list[str]:
    """One line for each variable that has the service's prefix and is no setting of it."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    known = {prefix + name.upper() for name in kind.model_fields}
    faults = []
    for name, value in sorted(environment.items()):
        upper = name.upper()
        if not prefix or not upper.startswith(prefix) or upper in known:
            continue
        if _KUBERNETES.fullmatch(upper, len(prefix)) or value.startswith(("tcp://", "udp://")):
            continue
        near = difflib.get_close_matches(upper, known, n=1)
        faults.append(f"{name}: unknown setting" + (f"; did you mean {near[0]}?" if near else ""))
    return faults


def state_folder() -> Path:
    """Where a box keeps its state: $PAGETALLY_STATE, /var/lib/pagetally as root, else XDG's."""
    chosen = os.environ.get("PAGETALLY_STATE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/pagetally")
    data_home = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(data_home) if data_home else Path.home() / ".local" / "share") / "pagetally"
    except RuntimeError:
        _stop("PAGETALLY_STATE: must be set, for this user has no home folder")


def _stop(fault: str) -> NoReturn:
    sys.stderr.write(fault + "\n")
    raise SystemExit(2)
