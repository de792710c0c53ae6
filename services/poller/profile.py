"""Device profiles: which rows of a device are which meter, as checked data. docs/profiles.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from shared.fields import MeterName, Name, Oid

MAX_INSTANCES = 250  # of a profile's meters; they are asked for together
BUILT_IN = Path(__file__).parent / "profiles"


class ProfileError(Exception):
    """A profile that cannot be used; the text names file, line and key."""


def _several(value: object) -> object:
    """One entry may stand for a list of one; nothing for an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


Source = Annotated[str, Field(min_length=3, max_length=1000)]
Column = Oid  # an instance's OID without its index
IdentityField = Literal[
    "make", "model", "serial", "hostname", "asset_tag", "location", "firmware", "description"
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(_Strict):
    """What shows that a device is of this profile: any one of what is listed."""

    make: str | None = None
    sys_object_id: Annotated[list[Oid], BeforeValidator(_several)] = []  # prefixes
    sys_descr: Annotated[list[re.Pattern[str]], BeforeValidator(_several)] = []
    rows: Annotated[list[Oid], BeforeValidator(_several)] = []  # only such a device has them
    source: Source

    @model_validator(mode="after")
    def _tells(self) -> Match:
        if not (self.sys_object_id or self.sys_descr or self.rows):
            raise ValueError("names neither sys_object_id, sys_descr nor rows")
        return self


class Computers(_Strict):
    """sysObjectID prefixes of computers: a printer in their hrDeviceTable is a print queue."""

    sys_object_id: Annotated[list[Oid], BeforeValidator(_several)]
    source: Source


class IdentityRow(_Strict):
    """Where a device says what it is; with `pattern`, the group of it that is wanted."""

    oid: Oid | None = None
    column: Column | None = None  # in the row of the printing hrDevice
    pattern: re.Pattern[str] | None = None
    source: Source

    @model_validator(mode="after")
    def _one_place(self) -> IdentityRow:
        if (self.oid is None) == (self.column is None):
            raise ValueError("needs oid or column, and not both")
        if self.pattern is not None and self.pattern.groups != 1:
            raise ValueError("pattern needs one group, around what is wanted")
        return self


class Where(_Strict):
    """Which rows of a table: whose cell in `column` is `equals`, or each of `any_of`, added up."""

    column: Column
    equals: int | str | None = None
    any_of: Annotated[list[int | str], Field(min_length=2, max_length=50)] = []

    @model_validator(mode="after")
    def _one_way(self) -> Where:
        if (self.equals is None) == (not self.any_of):
            raise ValueError("needs equals or any_of, and not both")
        return self


class MeterRow(_Strict):
    """One way to a meter: a single instance, a sum of instances, or a row of a table.

    `records` are tags of binary records within the instance, whose counts are added.
    """

    oid: Oid | None = None
    sum: Annotated[list[Oid], Field(min_length=2)] | None = None
    records: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(max_length=10)] = []
    where_present: bool = False  # rows exist only for the functions a device has; see `checks`
    column: Column | None = None
    where: Where | None = None
    unit: str | None = None
    unit_column: Column | None = None  # holds a PrtMarkerCounterUnitTC
    each_as: MeterName | None = None  # name of each row, where several count: NAME_INSTANCE
    source: Source

    @model_validator(mode="after")
    def _one_way(self) -> MeterRow:
        if [self.oid, self.sum, self.column].count(None) != 2:
            raise ValueError("needs one of oid, sum and column")
        if (self.where or self.unit_column or self.each_as) and self.column is None:
            raise ValueError("where, unit_column and each_as go with column")
        if self.records and self.oid is None:
            raise ValueError("records goes with oid")
        if self.where_present and self.sum is None:
            raise ValueError("where_present goes with sum")
        if self.unit and self.unit_column:
            raise ValueError("has unit and unit_column")
        return self

    @property
    def oids(self) -> list[Oid]:
        return [self.oid] if self.oid else list(self.sum or [])

    @property
    def columns(self) -> list[Column]:
        where = self.where.column if self.where else None
        return [column for column in (where, self.unit_column, self.column) if column]


class Check(_Strict):
    """Parts that must add up to their whole; where they don't, they are left out.

    Without the whole, those sums are left out that lack a row.
    """

    whole: MeterName
    parts: Annotated[list[MeterName], Field(min_length=2)]
    source: Source


class Profile(_Strict):
    profile: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    extends: Name | None = None
    match: list[Match] = []
    computers: list[Computers] = []
    identity: dict[IdentityField, Annotated[list[IdentityRow], BeforeValidator(_several)]] = {}
    meters: dict[MeterName, Annotated[list[MeterRow], BeforeValidator(_several)]] = {}
    checks: list[Check] = []
    basis: Literal["life", "equivalent"] | None = None
    large_counts: Literal[1, 2] | None = None

    @property
    def label(self) -> str:
        return f"{self.profile}@{self.version}"

    @property
    def meter_rows(self) -> list[MeterRow]:
        return [row for rows in self.meters.values() for row in rows]

    @model_validator(mode="after")
    def _can_be_read(self) -> Profile:
        if sum(len(row.oids) for row in self.meter_rows) > MAX_INSTANCES:
            raise ValueError(f"meters name more than {MAX_INSTANCES} instances")
        checked = {name for check in self.checks for name in check.parts}
        for name, rows in self.meters.items():
            if any(row.where_present for row in rows) and name not in checked:
                raise ValueError(f"{name} is summed where_present, and no check has it as a part")
        return self

    def over(self, parent: Profile) -> Profile:
        """This profile with what it inherits.

        A meter replaces its namesake, an identity row is tried before its parent's; what shows
        that a device is the parent's does not make it this one's.
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
                "checks": [*parent.checks, *self.checks],
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
            said[profile.profile] = profile
    return {name: _resolved(name, said, ()) for name in said}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{file}: cannot be read: {error}") from None


def load_profile(text: str, file: str) -> Profile:
    """One profile as it is written, what it extends not looked at. Raises: ProfileError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeats(node, file)
        return Profile.model_validate(yaml.safe_load(text))
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
