"""SNMP credentials: entered at the site, named everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from shared.files import write_private

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LONGEST_COMMUNITY = 255  # octets


class CredentialError(Exception):
    """A credential that cannot be read, or is not there; the text never holds the secret."""


class Credential(BaseModel):
    """How to ask a device: `version` "2c" tries v2c, and v1 where a device answers only that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["1", "2c"] = "2c"
    community: SecretStr

    @property
    def community_octets(self) -> bytes:
        return self.community.get_secret_value().encode()


PUBLIC = Credential(community=SecretStr("public"))  # named "public" unless the site says otherwise


def community_of(typed: str) -> SecretStr:
    """A community as a person typed it. Raises: CredentialError."""
    try:
        fits = 0 < len(typed.encode()) <= _LONGEST_COMMUNITY
    except UnicodeEncodeError:
        raise CredentialError("a community that is not UTF-8 cannot be sent") from None
    if not fits:
        raise CredentialError(f"a community has 1 to {_LONGEST_COMMUNITY} octets")
    return SecretStr(typed)


def load_credentials(path: Path | None) -> Mapping[str, Credential]:
    """The site's credentials by name, with `public` among them.

    `path` is a JSON file `{name: {"version": …, "community": …}}` that only its owner may read,
    or a folder (a mounted Secret) with one file a name holding such an object or the bare
    community. A path that is None or does not exist holds none.

    Raises: CredentialError.
    """
    if path is None:
        return {"public": PUBLIC}
    try:
        return {"public": PUBLIC, **_from_place(path)}
    except FileNotFoundError:
        return {"public": PUBLIC}
    except OSError as error:
        raise CredentialError(f"{path}: cannot be read: {error.strerror}") from None


def save_credential(path: Path, name: str, credential: Credential | None) -> None:
    """Put a credential under `name` into the file at `path`, or remove it where it is None.

    Raises: CredentialError, for a name that cannot be one or is not there to remove.
    """
    if not _NAME.fullmatch(name):
        raise CredentialError(f"{name!r}: a name holds letters, digits, '.', '_' and '-'")
    if path.is_dir():
        raise CredentialError(f"{path}: is a mounted Secret; change it where it comes from")
    entries = _entries(path) if path.exists() else {}
    if credential is None:
        if name not in entries:
            raise CredentialError(f"{path}: holds no credential {name!r}")
        del entries[name]
    else:
        entries[name] = {
            "version": credential.version,
            "community": credential.community.get_secret_value(),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(entries, indent=1))


def _from_place(path: Path) -> dict[str, Credential]:
    if path.is_dir():
        return {
            file.name: _from_secret(file)
            for file in sorted(path.iterdir())
            if not file.name.startswith(".") and file.is_file()
        }
    if path.stat().st_mode & 0o077:
        raise CredentialError(f"{path}: others than its owner may read it; chmod 600 {path}")
    try:
        return {name: Credential.model_validate(entry) for name, entry in _entries(path).items()}
    except ValidationError as error:
        raise CredentialError(f"{path}: {_fault(error)}") from None


def _entries(path: Path) -> dict[str, object]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CredentialError(f"{path}: {_fault(error)}") from None
    if not isinstance(entries, dict):
        raise CredentialError(f"{path}: {_fault(None)}")
    return entries


def _from_secret(file: Path) -> Credential:
    text = file.read_text(encoding="utf-8").strip()
    try:
        if text.startswith("{"):
            return Credential.model_validate_json(text)
        return Credential(community=SecretStr(text))
    except ValueError as error:
        raise CredentialError(f"{file}: {_fault(error)}") from None


def _fault(error: Exception | None) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
    return "not the JSON object that is wanted: {name: {version, community}}"
