"""Addresses that are asked alike, and what they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from shared.scope import AskingManner
from shared.spans import Span, holds, merged

FoundBy = Literal["sweep", "known", "named", "broadcast", "spooler", "cups"]
V3 = 3  # as the wire numbers it, RFC 3412 section 6
AS_SET = AskingManner()  # as the site is set


class Pass(NamedTuple):
    """One datagram to each address that is still silent."""

    credential: str  # its name
    version: int  # V1, V2C or V3, as the wire numbers them; V3 asks for the engine alone


@dataclass(frozen=True)
class Group:
    """Addresses that are asked alike."""

    spans: tuple[Span, ...]
    port: int
    passes: tuple[Pass, ...]
    found_by: FoundBy
    manner: AskingManner = AS_SET
    asks_engine: bool = False  # of those that stay silent, whether they speak SNMPv3 at all

    @property
    def credentials(self) -> tuple[str, ...]:
        """Their names, in the order in which they are sent."""
        return tuple(dict.fromkeys(one.credential for one in self.passes))


class Kind(NamedTuple):
    """All of a group but its addresses."""

    port: int
    passes: tuple[Pass, ...]
    found_by: FoundBy
    manner: AskingManner
    asks_engine: bool = False


def groups_of(kinds: Mapping[Kind, Iterable[Span]]) -> tuple[Group, ...]:
    return tuple(Group(tuple(merged(spans)), *kind) for kind, spans in kinds.items())


def group_in(groups: Iterable[Group], number: int, port: int) -> Group | None:
    for group in groups:
        if group.port == port and holds(group.spans, number):
            return group
    return None
