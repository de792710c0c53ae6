"""Device profiles: which rows of a device are which meter, as checked data. docs/profiles.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from services.poller.profile_rows import (
    STRICT,
    Basis,
    Check,
    Column,
    Computers,
    IdentityField,
    IdentityRow,
    Match,
    MeterRow,
    Quirks,
    Recorded,
    SupplyRow,
    Tolerance,
    several,
)
from shared.fields import MeterName, Name, Oid

MAX_INSTANCES = 250  # of a profile's meters; they are asked for together
NOT_PROFILES = ("ipp", "spooled", "entered")  # what other reads name in place of a profile
BUILT_IN = Path(__file__).parent / "profiles"


class ProfileError(Exception):
    """A profile that cannot be used; the text names file, line and key."""


class Profile(BaseModel):
    model_config = STRICT

    profile: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    extends: Name | None = None
    match: list[Match] = []
    computers: list[Computers] = []
    makes: list[Annotated[str, Field(min_length=2, max_length=40)]] = []  # with which models begin
    identity: dict[IdentityField, Annotated[list[IdentityRow], BeforeValidator(several)]] = {}
    meters: dict[MeterName, Annotated[list[MeterRow], BeforeValidator(several)]] = {}
    native: dict[MeterName, Annotated[list[MeterRow], BeforeValidator(several)]] = {}
    checks: list[Check] = []
    supplies: list[SupplyRow] = []  # of those that are called the same, the first that tells
    recorded: dict[str, Recorded] = {}  # by make and model
    tolerance: Tolerance | None = None
    quirks: Quirks | None = None
    basis: Basis | None = None
    large_counts: Literal[1, 2] | None = None

    @property
    def label(self) -> str:
        return f"{self.profile}@{self.version}"

    @property
    def counter_rows(self) -> list[MeterRow]:
        """All that is asked for: of meters, and of what is kept under its own name."""
        return [row for rows in (*self.meters.values(), *self.native.values()) for row in rows]

    @property
    def supply_oids(self) -> list[Oid]:
        return list(dict.fromkeys(row.oid for row in self.supplies if row.oid))

    @property
    def supply_columns(self) -> list[Column]:
        return [column for row in self.supplies for column in row.columns]

    @model_validator(mode="after")
    def _can_be_read(self) -> Profile:
        if sum(len(row.oids) for row in self.counter_rows) > MAX_INSTANCES:
            raise ValueError(f"meters and native name more than {MAX_INSTANCES} instances")
        if both := sorted(self.meters.keys() & self.native.keys()):
            raise ValueError(f"{both[0]} is a meter and native")
        checked = {name for check in self.checks for name in check.parts}
        for name, rows in self.meters.items():
            if any(row.where_present for row in rows) and name not in checked:
                raise ValueError(f"{name} is summed where_present, and no check has it as a part")
        return self

    def over(self, parent: Profile) -> Profile:
        """This profile with what it inherits.

        A meter replaces its namesake, an identity row is tried before its parent's; what shows
        that a device is the parent's does not make it this one's, and what was recorded neither.
        """
        return self.model_copy(
            update={
                "identity": {
                    name: [*self.identity.get(name, []), *parent.identity.get(name, [])]
                    for name in (parent.identity | self.identity)
                },
                "meters": {
                    name: rows for name, rows in (parent.meters | self.meters).items() if rows
                },
                "native": {
                    name: rows
                    for name, rows in (parent.native | self.native).items()
                    if rows and name not in self.meters
                },
                "checks": [*parent.checks, *self.checks],
                "supplies": self.supplies or parent.supplies,
                "tolerance": self.tolerance or parent.tolerance,
                "quirks": self.quirks or parent.quirks,
                "computers": [*parent.computers, *self.computers],
                "basis": self.basis or parent.basis,
                "large_counts": self.large_counts or parent.large_counts,
            }
        )


# -- loading --------------------------------------------------------------------------------


def load_profiles(*folders: Path) -> dict[str, Profile]:
    """The built-in profiles and those of `folders`, by name, with what they inherit.

    A later one replaces its namesake.

    Raises: ProfileError.
    """
    said: dict[str, Profile] = {}
    for folder in (BUILT_IN, *folders):
        files = sorted(folder.glob("*.yaml"))
        if not files:
            raise ProfileError(f"{folder}: holds no profile (*.yaml)")
        for file in files:
            profile = load_profile(_text(file), str(file))
            if profile.profile != file.stem:
                raise ProfileError(f"{file}: profile: is {profile.profile}; name the file so")
            if profile.profile in NOT_PROFILES:
                raise ProfileError(f"{file}: profile: so are other reads called; rename it")
            said[profile.profile] = profile
    return {name: _resolved(name, said, ()) for name in said}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{file}: cannot be read: {error}") from None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times faster


@lru_cache(maxsize=256)  # YAML takes its time, and a change is seen beside what was before it
def load_profile(text: str, file: str) -> Profile:
    """One profile as it is written, what it extends not looked at. Raises: ProfileError."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
        _refuse_repeats(node, file)
        return Profile.model_validate(yaml.load(text, Loader=_LOADER))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise ProfileError(f"{where}: not YAML: {getattr(error, 'problem', error)}") from None
    except RecursionError:
        raise ProfileError(f"{file}: an alias holds itself") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        line, key = _place(node, fault["loc"])
        raise ProfileError(f"{file}:{line}: {key}: {fault['msg']}") from None


def _resolved(name: str, said: Mapping[str, Profile], below: Sequence[str]) -> Profile:
    profile = said.get(name)
    if profile is None:
        raise ProfileError(f"{below[-1]}: extends: no profile {name!r}")
    if name in below:
        raise ProfileError(f"{name}: extends: itself, by way of {' and '.join(below)}")
    if profile.extends is None:
        return profile
    return profile.over(_resolved(profile.extends, said, (*below, name)))


def _refuse_repeats(node: yaml.Node | None, file: str) -> None:
    """YAML lets the last of two equal keys win in silence; in a profile that is a lost meter."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ProfileError(f"{file}:{key.start_mark.line + 1}: a key is one word")
            if key.value in seen:
                raise ProfileError(f"{file}:{key.start_mark.line + 1}: {key.value}: is there twice")
            seen.add(key.value)
            _refuse_repeats(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeats(value, file)


def _place(node: yaml.Node | None, loc: Sequence[int | str]) -> tuple[int, str]:
    """The line that a fault is at, and its key as written."""
    line, keys = 1, []
    for step in loc:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            keys.append(step)
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            keys.append(str(step + 1))
            node = node.value[step]
            line = node.start_mark.line + 1
    return line, ".".join(keys) or "profile"
