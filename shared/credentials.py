"""Credentials, of SNMP and of Windows: entered at the site, named everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, model_validator

from shared.files import write_private

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LONGEST_COMMUNITY = 255  # octets
_LONGEST_USER = 32  # octets; RFC 3414 section 2.4
_LONGEST_CONTEXT = 255
_SHORTEST_PASSWORD = 8  # octets; RFC 3414 section 11.2
_LONGEST_PASSWORD = 1024
_LONGEST_ACCOUNT = 256  # octets of a Windows user, domain or password

Auth = Literal["none", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"]
Privacy = Literal[
    "none",
    "des",
    "aes128",
    "aes192-blumenthal",  # the two ways to make a key that is longer than the hash
    "aes192-reeder",
    "aes256-blumenthal",
    "aes256-reeder",
]
AUTHS: tuple[Auth, ...] = get_args(Auth)
PRIVACIES: tuple[Privacy, ...] = get_args(Privacy)
SecurityLevel = Literal["noAuthNoPriv", "authNoPriv", "authPriv"]


class CredentialError(Exception):
    """A credential that cannot be read, or is not there; the text never holds the secret."""


class Credential(BaseModel):
    """How to ask a device by SNMP, or a computer for what its spooler lists.

    `version` "2c" tries v2c, and v1 where a device answers only that; "1" tries v1 alone; both
    have a community. "3" has a user and what belongs to its security level instead. "windows" is
    an account of a computer or a domain, and no device is asked with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal["1", "2c", "3", "windows"] = "2c"
    community: SecretStr | None = None
    user: SecretStr | None = None
    auth: Auth = "none"
    auth_password: SecretStr | None = None
    privacy: Privacy = "none"
    privacy_password: SecretStr | None = None
    context: str = ""
    domain: str = ""  # of Windows; none: the computer's own accounts
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        fault = self._fault_of_version()
        if fault:
            raise ValueError(fault)
        return self

    @property
    def community_octets(self) -> bytes:
        """Raises: CredentialError, for v3, which has none."""
        if self.community is None:
            raise CredentialError(f"a credential of version {self.version} has no community")
        return self.community.get_secret_value().encode()

    @property
    def user_octets(self) -> bytes:
        return _octets(self.user)

    @property
    def context_octets(self) -> bytes:
        return self.context.encode(errors="replace")

    @property
    def level(self) -> SecurityLevel:
        """What v3 asks with, RFC 3411 section 3.4.3."""
        if self.privacy != "none":
            return "authPriv"
        return "noAuthNoPriv" if self.auth == "none" else "authNoPriv"

    def _fault_of_version(self) -> str | None:
        if self.version == "windows":
            return self._fault_of_windows()
        if self.model_fields_set & {"domain", "password"}:
            return "domain, password: of version windows alone"
        return self._fault_of_v3() if self.version == "3" else self._fault_of_community()

    def _fault_of_windows(self) -> str | None:
        snmp = self.model_fields_set & (_V3_FIELDS - {"user"} | {"community"})
        if snmp:
            return f"{', '.join(sorted(snmp))}: of SNMP, and not of a Windows account"
        for what, secret in (("user", self.user), ("password", self.password)):
            if not 0 < len(_octets(secret)) <= _LONGEST_ACCOUNT:
                return f"a Windows account has a {what} of 1 to {_LONGEST_ACCOUNT} octets"
        if len(_octets(SecretStr(self.domain))) > _LONGEST_ACCOUNT:
            return f"a Windows domain has at most {_LONGEST_ACCOUNT} octets"
        return None

    def _fault_of_community(self) -> str | None:
        if self.community is None:
            return "a community is missing"
        v3 = self.model_fields_set & _V3_FIELDS
        return f"{', '.join(sorted(v3))}: of version 3 alone" if v3 else None

    def _fault_of_v3(self) -> str | None:
        if self.community is not None:
            return "SNMPv3 has no community"
        if not 0 < len(_octets(self.user)) <= _LONGEST_USER:
            return f"an SNMPv3 user has 1 to {_LONGEST_USER} octets"
        if len(self.context_octets) > _LONGEST_CONTEXT:
            return f"an SNMPv3 context has at most {_LONGEST_CONTEXT} octets"
        if self.privacy != "none" and self.auth == "none":
            return "privacy needs authentication too"
        for what, protocol, password in (
            ("authentication", self.auth, self.auth_password),
            ("privacy", self.privacy, self.privacy_password),
        ):
            if protocol == "none" and password is not None:
                return f"a password for {what}, and no protocol for it"
            length = len(_octets(password))
            if protocol != "none" and not _SHORTEST_PASSWORD <= length <= _LONGEST_PASSWORD:
                return (
                    f"the password for {what} has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} "
                    "octets (RFC 3414 section 11.2)"
                )
        return None


_V3_FIELDS = {"user", "auth", "auth_password", "privacy", "privacy_password", "context"}


def _octets(secret: SecretStr | None) -> bytes:
    """UTF-8; what cannot be sent is of no length, and so of none that is allowed."""
    try:
        return secret.get_secret_value().encode() if secret else b""
    except UnicodeEncodeError:
        return b""


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


def v3_credential(
    *,
    user: str,
    auth: Auth,
    auth_password: str | None,
    privacy: Privacy,
    privacy_password: str | None,
    context: str,
) -> Credential:
    """A v3 credential as a person typed it. Raises: CredentialError."""
    try:
        return Credential(
            version="3",
            user=SecretStr(user),
            auth=auth,
            auth_password=None if auth_password is None else SecretStr(auth_password),
            privacy=privacy,
            privacy_password=None if privacy_password is None else SecretStr(privacy_password),
            context=context,
        )
    except ValidationError as error:
        raise CredentialError(_fault(error)) from None


def windows_credential(*, account: str, password: str) -> Credential:
    """An account as a person typed it: USER, DOMAIN\\USER or USER@DOMAIN.

    Raises: CredentialError.
    """
    domain, backslash, user = account.partition("\\")
    try:
        return Credential(
            version="windows",
            domain=domain if backslash else "",
            user=SecretStr(user if backslash else account),
            password=SecretStr(password),
        )
    except ValidationError as error:
        raise CredentialError(_fault(error)) from None


def load_credentials(path: Path | None) -> Mapping[str, Credential]:
    """The site's credentials by name, with `public` among them.

    `path` is a JSON file `{name: {"version": …, "community": …}}` that only its owner may read,
    or a folder (a mounted Secret) with one file a name holding such an object or the bare
    community. In such an object are the fields of a Credential. A path that is None or does not
    exist holds none.

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
            field: value.get_secret_value() if isinstance(value, SecretStr) else value
            for field, value in credential
            if value is not None and (field == "version" or field in credential.model_fields_set)
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
    return {name: _from_entry(path, name, entry) for name, entry in _entries(path).items()}


def _from_entry(path: Path, name: str, entry: object) -> Credential:
    try:
        return Credential.model_validate(entry)
    except ValidationError as error:
        raise CredentialError(f"{path}: {name[:63]!r}: {_fault(error)}") from None


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
        told = fault["msg"].removeprefix("Value error, ")
        return ": ".join(filter(None, (".".join(map(str, fault["loc"])), told)))
    return "not the JSON object that is wanted: {name: {version, community}}"
