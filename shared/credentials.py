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


def load_credentials(path: Path | None) -> Mapping[str, Credential]:
    """The site's credentials by name, with `public` among them.

    `path` is a JSON file `{name: {"version": …, "community": …}}` that only its owner may read,
    or a folder (a mounted Secret) with one file a name holding such an object or the bare
    community. A path that is None or does not exist holds none.

    Raises: CredentialError.
    """
    found: dict[str, Credential] = {"public": PUBLIC}
    if path is None or not path.exists():
        return found
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if not file.name.startswith(".") and file.is_file():
                found[file.name] = _from_secret(file)
        return found
    if path.stat().st_mode & 0o077:
        raise CredentialError(f"{path}: others than its owner may read it; chmod 600 {path}")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        found.update({name: Credential.model_validate(entry) for name, entry in entries.items()})
    except (ValueError, AttributeError) as error:
        raise CredentialError(f"{path}: {_fault(error)}") from None
    return found


def save_credential(path: Path, name: str, credential: Credential | None) -> None:
    """Put a credential under `name` into the file at `path`, or remove it where it is None.

    Raises: CredentialError, for a name that cannot be one or is not there to remove.
    """
    if not _NAME.fullmatch(name):
        raise CredentialError(f"{name!r}: a name holds letters, digits, '.', '_' and '-'")
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
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


def _from_secret(file: Path) -> Credential:
    text = file.read_text(encoding="utf-8").strip()
    try:
        if text.startswith("{"):
            return Credential.model_validate_json(text)
        return Credential(community=SecretStr(text))
    except ValueError as error:
        raise CredentialError(f"{file}: {_fault(error)}") from None


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
    return "not the JSON object that is wanted: {name: {version, community}}"
