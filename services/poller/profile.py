"""Device profiles: which rows of a device are which meter, as checked data. docs/profiles.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from services.poller.mib import SUPPLY_TYPES
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


def _supply_type(value: str) -> str:
    if value not in SUPPLY_TYPES.values():
        raise ValueError("is no PrtMarkerSuppliesTypeTC")
    return value


Source = Annotated[str, Field(min_length=3, max_length=1000)]
Column = Oid  # an instance's OID without its index
Basis = Literal["life", "equivalent"]  # a large sheet counts once, or as what A4 holds
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
    both: bool = False  # sysObjectID and sysDescr: one maker's device under another's number
    source: Source

    @model_validator(mode="after")
    def _tells(self) -> Match:
        if not (self.sys_object_id or self.sys_descr or self.rows):
            raise ValueError("names neither sys_object_id, sys_descr nor rows")
        if self.both and not (self.sys_object_id and self.sys_descr):
            raise ValueError("both needs sys_object_id and sys_descr")
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
    """Which rows of a table: whose cell in `column` is `equals`, or one of `any_of`."""

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

    `records` are tags of binary records within the instance, whose counts are added. `add` adds
    all rows of a table in which `where` holds; without it any_of adds each named row once.
    """

    oid: Oid | None = None
    sum: Annotated[list[Oid], Field(min_length=2)] | None = None
    records: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(max_length=10)] = []
    where_present: bool = False  # rows exist only for the functions a device has; see `checks`
    column: Column | None = None
    where: Annotated[list[Where], BeforeValidator(_several)] = []
    add: bool = False
    pattern: re.Pattern[str] | None = None  # of a text: its group is the count
    unit: str | None = None
    unit_column: Column | None = None  # holds a PrtMarkerCounterUnitTC
    each_as: MeterName | None = None  # name of each row, where several count: NAME_INSTANCE
    basis: Basis | None = None  # where it is not the profile's
    large_counts: Literal[1, 2] | None = None
    granularity: Annotated[int, Field(ge=2)] | None = None  # it is written in steps of so many
    rolls_over_after: Annotated[int, Field(ge=2)] | None = None  # the highest count that it shows
    source: Source

    @model_validator(mode="after")
    def _one_way(self) -> MeterRow:
        if [self.oid, self.sum, self.column].count(None) != 2:
            raise ValueError("needs one of oid, sum and column")
        if (self.where or self.add or self.unit_column or self.each_as) and self.column is None:
            raise ValueError("where, add, unit_column and each_as go with column")
        if self.adds and (self.unit_column or self.each_as):
            raise ValueError("rows that are added have neither unit_column nor each_as")
        if (self.records or self.pattern) and self.oid is None:
            raise ValueError("records and pattern go with oid")
        if self.pattern is not None and self.pattern.groups != 1:
            raise ValueError("pattern needs one group, around the count")
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
        where = [each.column for each in self.where]
        return [column for column in (*where, self.unit_column, self.column) if column]

    @property
    def adds(self) -> bool:
        """Whether several rows of a table make one count."""
        return self.add or any(each.any_of for each in self.where)


class Tolerance(_Strict):
    """How far total and prtMarkerLifeCount may be apart before a read says so."""

    percent: Annotated[float, Field(gt=0, le=100)]
    source: Source


class Quirks(_Strict):
    """What such a device cannot take."""

    getbulk: bool = True
    stale: bool = False  # its counters are of the last walk over their table
    max_varbinds: Annotated[int, Field(ge=1, le=100)] | None = None  # a request
    source: Source


class Check(_Strict):
    """Parts that must add up to their whole; where they don't, they are left out.

    Without the whole, those sums are left out that lack a row.
    """

    whole: MeterName
    parts: Annotated[list[MeterName], Field(min_length=2)]
    source: Source


class OwnSupply(_Strict):
    """A supply that a row of the maker's own tells of, as the standard table would call it."""

    description: Annotated[str, Field(min_length=1, max_length=100)]
    type: Annotated[str, AfterValidator(_supply_type)]
    colorant: str | None = None


class SupplyRow(_Strict):
    """Levels that the maker's own rows hold: tagged records of one instance, or a column.

    A level is a share of `max_capacity`, but for a record of two octets, which are the level and
    its maximum. Records that hold codes in place of levels have `words` for them.
    """

    oid: Oid | None = None
    records: dict[Annotated[int, Field(ge=0, le=255)], OwnSupply] = {}
    column: Column | None = None
    descriptions: Annotated[list[Column], BeforeValidator(_several)] = []  # the first that tells
    types: Column | None = None  # holds PrtMarkerSuppliesTypeTC
    max_capacity: Annotated[int, Field(ge=1)] | None = None
    unit: str | None = None
    words: dict[int, str] = {}
    models: re.Pattern[str] | None = None  # only those; the others use these rows otherwise
    source: Source

    @model_validator(mode="after")
    def _one_way(self) -> SupplyRow:
        if (self.oid is None) == (self.column is None):
            raise ValueError("needs oid or column, and not both")
        if (self.oid is None) == bool(self.records):
            raise ValueError("oid needs records, and records go with it")
        if (self.max_capacity is None) == (not self.words):
            raise ValueError("needs max_capacity or words, and not both")
        if (self.descriptions or self.types) and self.column is None:
            raise ValueError("descriptions and types go with column")
        if self.words and self.oid is None:
            raise ValueError("words go with oid")
        return self

    @property
    def columns(self) -> list[Column]:
        return [column for column in (self.column, *self.descriptions, self.types) if column]


class Recorded(_Strict):
    """A model of which a recording agreed, and in which meters."""

    own: list[MeterName] = []  # of the maker's rows
    standard: list[MeterName] = []  # of the Printer MIB's


class Profile(_Strict):
    profile: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    extends: Name | None = None
    match: list[Match] = []
    computers: list[Computers] = []
    makes: list[Annotated[str, Field(min_length=2, max_length=40)]] = []  # with which models begin
    identity: dict[IdentityField, Annotated[list[IdentityRow], BeforeValidator(_several)]] = {}
    meters: dict[MeterName, Annotated[list[MeterRow], BeforeValidator(_several)]] = {}
    native: dict[MeterName, Annotated[list[MeterRow], BeforeValidator(_several)]] = {}
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
            said[profile.profile] = profile
    return {name: _resolved(name, said, ()) for name in said}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{file}: cannot be read: {error}") from None


@lru_cache(maxsize=256)  # YAML takes its time, and a change is seen beside what was before it
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
