"""What an operator may set of the uploader: UPLOADER_…"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, state_folder

_SECRETS = Path("/run/secrets")  # where container engines mount them
_LONGEST_KEY = 512


class SettingError(Exception):
    """A setting that names something that cannot be used; the text says which and what to do."""


def _hub_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise ValueError("must begin with https://; nothing is sent to a hub in the clear")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be https://HOST[:PORT][/PATH], without a user, ? or #")
    if parts.port == 0:
        raise ValueError("port 0 is none")
    return url.rstrip("/")


def _proxy_url(url: SecretStr) -> SecretStr:
    proxy_fault = fault_of_proxy(url.get_secret_value())
    if proxy_fault:
        raise ValueError(proxy_fault)
    return url


def fault_of_proxy(url: str) -> str | None:
    """What is wrong with a proxy's URL; never with any part of it, for it may hold a password."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    return None if fits else "must be http://[USER:PASSWORD@]HOST:PORT or https://…"


class UploaderSettings(ServiceSettings):
    """`hub_url` and `key_file` must be set."""

    model_config = SettingsConfigDict(env_prefix="UPLOADER_", frozen=True, extra="forbid")

    bus_url: SecretStr | None = None  # amqp:// or amqps://; none: an in-process bus is handed in
    bus_ca_file: Path | None = None  # PEM of the broker's CA; trusted beside the system's
    hub_url: Annotated[str, AfterValidator(_hub_url)]
    key_file: Path  # the site key: 0600, or a mounted secret
    ca_file: Path | None = None  # PEM; beside the system's trust store
    # none: HTTPS_PROXY and NO_PROXY
    proxy: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = None
    spool_file: Path = Field(default_factory=lambda: state_folder() / "agent" / "spool.sqlite")
    ceiling_file: Path = Field(default_factory=lambda: state_folder() / "agent" / "ceiling.toml")
    contact_s: Annotated[float, Field(ge=1, le=86_400)] = 900
    gather_s: Annotated[float, Field(ge=0, le=60)] = 1  # from the first message to its sending
    keep_days: Annotated[float, Field(ge=1, le=3650)] = 30  # how long what was sent can be shown


def read_key(path: Path) -> str:
    """The site key in a file. Raises: SettingError."""
    try:
        others_may = path.stat().st_mode & 0o077
        key = path.read_bytes()[: _LONGEST_KEY + 2].decode("ascii").strip()
    except OSError as error:
        raise SettingError(f"{path}: the site key cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{path}: holds no site key") from None
    if others_may and not _mounted_secret(path):
        raise SettingError(f"{path}: others than its owner may read it; chmod 600 {path}")
    if not key or len(key) > _LONGEST_KEY or not key.isprintable() or " " in key:
        raise SettingError(f"{path}: holds no site key, which is one line without blanks")
    return key


def _mounted_secret(path: Path) -> bool:
    """Kubernetes mounts a secret's file as a link through ..data; who may read is its own rule."""
    if path.is_symlink() and path.readlink().parts[:1] == ("..data",):
        return True
    return path.is_relative_to(_SECRETS)
