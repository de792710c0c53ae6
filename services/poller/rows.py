"""What a device answered, and reading single values out of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from services.poller.mib import GENERAL_LOCALIZATION, LOCALIZATION_CHARSET
from services.poller.text import decode_text
from shared.snmp.port import Varbind
from shared.text import MAX_TEXT, clean

COUNT_TYPES = frozenset({"Integer32", "Counter32", "Gauge32", "Counter64"})
_INSTANCE = re.compile(r"(0|[1-9]\d{0,9})(\.(0|[1-9]\d{0,9})){0,15}")
_INT64 = 2**63
_NO_CELLS: Mapping[str, Varbind] = {}
_MAX_OCTETS = 1024  # of an octet string that a read keeps


class Places(NamedTuple):
    """Which instances are cells of a table: by column, their OIDs and instances."""

    cells: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    oids: frozenset[str]

    @classmethod
    def of(cls, cells: Iterable[tuple[str, str, str]]) -> Places:
        """Of OID, column and instance."""
        return _places_of(tuple(cells))


@lru_cache(maxsize=512)  # devices of a model have the same
def _places_of(cells: tuple[tuple[str, str, str], ...]) -> Places:
    columns: dict[str, list[tuple[str, str]]] = {}
    for oid, column, at in cells:
        columns.setdefault(column, []).append((oid, at))
    oids = frozenset(oid for pairs in columns.values() for oid, _ in pairs)
    return Places(tuple((column, tuple(pairs)) for column, pairs in columns.items()), oids)


@dataclass
class Rows:
    """Single instances by OID, and walked columns: column OID -> instance -> varbind."""

    scalars: dict[str, Varbind] = field(default_factory=dict)
    columns: dict[str, dict[str, Varbind]] = field(default_factory=dict)
    _charset: tuple[int | None] | None = None  # once it was worked out of the columns there are

    def take(self, answer: Mapping[str, Varbind]) -> None:
        self.scalars.update(answer)

    def take_table(self, answer: Mapping[str, Mapping[str, Varbind]]) -> None:
        """Instances of more than 16 arcs are nobody's who prints, and are left."""
        self._charset = None
        for column, cells in answer.items():
            kept = dict(cells)
            if not _are_instances(tuple(cells)):
                kept = {at: cell for at, cell in cells.items() if _are_instances((at,))}
            self.columns[column] = self.columns[column] | kept if column in self.columns else kept

    def take_places(self, answer: Mapping[str, Varbind], places: Places) -> None:
        """Single instances; those of `places` into their tables."""
        self._charset = None
        for column, pairs in places.cells:
            found = {at: answer[oid] for oid, at in pairs if oid in answer}
            if found:
                there = self.columns.get(column)
                self.columns[column] = there | found if there else found
        cells = places.oids
        self.scalars |= {oid: varbind for oid, varbind in answer.items() if oid not in cells}

    def single_out(self, oids: Iterable[str]) -> None:
        """Makes single instances of what was walked for them alone, and of nothing else there."""
        places = [oid.rpartition(".") for oid in oids]
        for column, _, at in places:
            cell = self.cell(column, at)
            if cell is not None:
                self.scalars[cell.oid] = cell
        for column, _, _ in places:
            self.columns.pop(column, None)

    def column(self, column: str) -> Mapping[str, Varbind]:
        return self.columns.get(column, _NO_CELLS)

    def cell(self, column: str, instance: str) -> Varbind | None:
        return self.columns.get(column, _NO_CELLS).get(instance)

    def one(self, oid: str) -> Varbind | None:
        return self.scalars.get(oid)

    def integer(self, column: str, instance: str) -> int | None:
        return integer(self.columns.get(column, _NO_CELLS).get(instance))

    def text(self, column: str, instance: str) -> str | None:
        return self.as_text(self.cell(column, instance))

    def as_text(self, varbind: Varbind | None, limit: int = MAX_TEXT) -> str | None:
        """In the character set that the device declares."""
        return as_text(varbind, self.charset, limit)

    @property
    def charset(self) -> int | None:
        """prtLocalizationCharacterSet of the localization in use, or of the only one there is."""
        if self._charset is None:
            declared = self.column(LOCALIZATION_CHARSET)
            self._charset = (next((integer(declared[at]) for at in self.charset_in_use), None),)
        return self._charset[0]

    @property
    def charset_in_use(self) -> list[str]:
        """The row in prtLocalizationTable, one at most."""
        declared = self.column(LOCALIZATION_CHARSET)
        for device, current in self.column(GENERAL_LOCALIZATION).items():
            at = f"{device}.{integer(current)}"
            if integer(declared.get(at)) is not None:
                return [at]
        return list(declared) if len(declared) == 1 else []


@lru_cache(maxsize=512)  # the tables of a model have the same rows
def _are_instances(instances: tuple[str, ...]) -> bool:
    return all(map(_INSTANCE.fullmatch, instances))


def as_text(varbind: Varbind | None, charset: int | None, limit: int = MAX_TEXT) -> str | None:
    """An octet string in a character set (IANA MIBenum); an OID as it is."""
    if varbind is None:
        return None
    value = varbind[2]
    if isinstance(value, bytes):
        return decode_text(value, charset, limit)
    return clean(value, limit) if isinstance(value, str) else None


def integer(varbind: Varbind | None) -> int | None:
    """The value of an integer type that a message can carry."""
    if varbind is None:
        return None
    _, kind, value = varbind
    if kind not in COUNT_TYPES or not isinstance(value, int):
        return None
    return value if -_INT64 <= value < _INT64 else None


def raw(varbind: Varbind) -> tuple[str, int | str | None] | None:
    """A varbind as a message keeps it: octets in hex; None where it is too long to be kept."""
    value = varbind.value
    if isinstance(value, bytes):
        return (varbind.type, value.hex()) if len(value) <= _MAX_OCTETS else None
    if isinstance(value, str):
        return varbind.type, clean(value, _MAX_OCTETS)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return varbind.type, str(value)
    return varbind.type, value
