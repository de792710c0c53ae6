"""What a profile is made of: what shows a device, where it says what it is, which row counts what.

docs/profiles.md has the keys.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from services.poller.mib import SUPPLY_TYPES
from shared.fields import MeterName, Oid


def several(value: object) -> object:
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


STRICT = ConfigDict(frozen=True, extra="forbid")


class _Row(BaseModel):
    model_config = STRICT


class Match(_Row):
    """What shows that a device is of this profile: any one of what is listed."""

    make: str | None = None
    sys_object_id: Annotated[list[Oid], BeforeValidator(several)] = []  # prefixes
    sys_descr: Annotated[list[re.Pattern[str]], BeforeValidator(several)] = []
    rows: Annotated[list[Oid], BeforeValidator(several)] = []  # only such a device has them
    both: bool = False  # sysObjectID and sysDescr: one maker's device under another's number
    source: Source

    @model_validator(mode="after")
    def _tells(self) -> Match:
        if not (self.sys_object_id or self.sys_descr or self.rows):
            raise ValueError("names neither sys_object_id, sys_descr nor rows")
        if self.both and not (self.sys_object_id and self.sys_descr):
            raise ValueError("both needs sys_object_id and sys_descr")
        return self


class Computers(_Row):
    """sysObjectID prefixes of computers: a printer in their hrDeviceTable is a print queue."""

    sys_object_id: Annotated[list[Oid], BeforeValidator(several)]
    source: Source


class IdentityRow(_Row):
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


class Where(_Row):
    """Which rows of a table: whose cell in `column` is `equals`, or one of `any_of`."""

    column: Column
    equals: int | str | None = None
    any_of: Annotated[list[int | str], Field(min_length=2, max_length=50)] = []

    @model_validator(mode="after")
    def _one_way(self) -> Where:
        if (self.equals is None) == (not self.any_of):
            raise ValueError("needs equals or any_of, and not both")
        return self


class MeterRow(_Row):
    """One way to a meter: a single instance, a sum of instances, or a row of a table.

    `records` are tags of binary records within the instance, whose counts are added. `add` adds
    all rows of a table in which `where` holds; without it any_of adds each named row once.
    """

    oid: Oid | None = None
    sum: Annotated[list[Oid], Field(min_length=2)] | None = None
    records: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(max_length=10)] = []
    where_present: bool = False  # rows exist only for the functions a device has; see `checks`
    column: Column | None = None
    where: Annotated[list[Where], BeforeValidator(several)] = []
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

    @cached_property
    def oids(self) -> list[Oid]:
        return [self.oid] if self.oid else list(self.sum or [])

    @cached_property
    def columns(self) -> list[Column]:
        where = [each.column for each in self.where]
        return [column for column in (*where, self.unit_column, self.column) if column]

    @cached_property
    def adds(self) -> bool:
        """Whether several rows of a table make one count."""
        return self.add or any(each.any_of for each in self.where)


class Tolerance(_Row):
    """How far total and prtMarkerLifeCount may be apart before a read says so."""

    percent: Annotated[float, Field(gt=0, le=100)]
    source: Source


class Quirks(_Row):
    """What such a device cannot take."""

    getbulk: bool = True
    stale: bool = False  # its counters are of the last walk over their table
    max_varbinds: Annotated[int, Field(ge=1, le=100)] | None = None  # a request
    source: Source


class Check(_Row):
    """Parts that must add up to their whole; where they don't, they are left out.

    Without the whole, those sums are left out that lack a row.
    """

    whole: MeterName
    parts: Annotated[list[MeterName], Field(min_length=2)]
    source: Source


class OwnSupply(_Row):
    """A supply that a row of the maker's own tells of, as the standard table would call it."""

    description: Annotated[str, Field(min_length=1, max_length=100)]
    type: Annotated[str, AfterValidator(_supply_type)]
    colorant: str | None = None


class SupplyRow(_Row):
    """Levels that the maker's own rows hold: tagged records of one instance, or a column.

    A level is a share of `max_capacity`, but for a record of two octets, which are the level and
    its maximum. Records that hold codes in place of levels have `words` for them.
    """

    oid: Oid | None = None
    records: dict[Annotated[int, Field(ge=0, le=255)], OwnSupply] = {}
    column: Column | None = None
    descriptions: Annotated[list[Column], BeforeValidator(several)] = []  # the first that tells
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


class Recorded(_Row):
    """A model of which a recording agreed, and in which meters."""

    own: list[MeterName] = []  # of the maker's rows
    standard: list[MeterName] = []  # of the Printer MIB's
