"""A device in memory: a session that answers as the rows of a .snmprec file do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from shared.snmp.port import (
    Manners,
    NoAnswerError,
    RowsChangedError,
    Traffic,
    Varbind,
    Walk,
)

_TYPES = {
    "2": "Integer32",
    "4": "OctetString",
    "5": "Null",
    "6": "ObjectIdentifier",
    "64": "IpAddress",
    "65": "Counter32",
    "66": "Gauge32",
    "67": "TimeTicks",
    "68": "Opaque",
    "70": "Counter64",
}


def rows_of(path: Path) -> dict[str, Varbind]:
    """The rows of a .snmprec file, `OID|tag|value` a line, a tag ending in x holding hex."""
    rows = {}
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line.startswith("#"):
            continue
        oid, tag, text = line.split("|", 2)
        rows[oid] = Varbind(oid, _TYPES[tag.rstrip("x")], _value(tag, text))
    return rows


def _value(tag: str, text: str) -> int | bytes | str | None:
    if tag.rstrip("x") in {"4", "68"}:
        octets = text.encode("utf-8", errors="surrogateescape")
        return bytes.fromhex(text) if tag.endswith("x") else octets
    if tag == "64x":
        return ".".join(str(octet) for octet in bytes.fromhex(text))
    if tag == "5":
        return None
    return text if tag in {"6", "64"} else int(text)


class WalkSession:
    """Answers from rows; `silent_after` questions it answers no more."""

    def __init__(self, rows: Mapping[str, Varbind], silent_after: int | None = None) -> None:
        self.rows = dict(rows)
        self.traffic = Traffic()
        self.manners = Manners()
        self.silent_after = silent_after
        self.asked: list[tuple[str, ...]] = []

    async def get(self, oids: Sequence[str], *, octets: int | None = None) -> Mapping[str, Varbind]:
        self._answer(oids)
        return {oid: self.rows[oid] for oid in oids if oid in self.rows}

    def expect(self, varbinds: Iterable[Varbind]) -> None:
        """Compares nothing: what a device in memory tells is compared by whoever asks it."""

    async def confirm(self) -> None:
        pass

    async def table(
        self, columns: Sequence[str], *, max_rows: int = 1000
    ) -> Mapping[str, Mapping[str, Varbind]]:
        return await self.walk([Walk(tuple(columns), max_rows=max_rows)])

    async def walk(self, walks: Sequence[Walk]) -> Mapping[str, Mapping[str, Varbind]]:
        self._answer([column for walk in walks for column in walk.columns])
        found: dict[str, dict[str, Varbind]] = {}
        for walk in walks:
            for number, column in enumerate(walk.columns):
                rows = self._column(column, walk)
                known = walk.instances if not number or walk.instances else None
                if known is not None and tuple(rows) != known and not walk.may_change:
                    raise RowsChangedError(f"{column}: {tuple(rows)}")
                found.setdefault(column, {}).update(rows)
        return found

    def _column(self, column: str, walk: Walk) -> Mapping[str, Varbind]:
        inside = {
            oid.removeprefix(column + "."): varbind
            for oid, varbind in self.rows.items()
            if oid.startswith(column + ".")
        }
        after = [int(arc) for arc in walk.after.split(".")] if walk.after else [-1]
        ordered = sorted(inside, key=lambda at: [int(arc) for arc in at.split(".")])
        rest = [at for at in ordered if [int(arc) for arc in at.split(".")] > after]
        return {at: inside[at] for at in rest[: walk.max_rows]}

    def _answer(self, asked: Sequence[str]) -> None:
        self.asked.append(tuple(asked))
        self.traffic.packets_out += 1
        if self.silent_after is not None and len(self.asked) > self.silent_after:
            raise NoAnswerError("10.0.0.7: no SNMP answer in 3 tries of 2.0 s")
        self.traffic.packets_in += 1
