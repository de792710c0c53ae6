"""A site's segments: what it listed, what is chosen of it, and what the site refuses."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.choosing import Choice, choices_of, same, spans_of
from shared.decode import decode
from shared.messages import NotReached, Segment, SegmentsListed
from shared.scope import Scope
from shared.spans import Spans, merged
from shared.store.postgres import Connection
from shared.store.scope import scope_in_force


@dataclass(frozen=True)
class Row:
    """One segment that was listed, or chosen, or both."""

    choice: Choice
    segment: Segment | None  # None: the site did not list it
    reach: Literal["all", "part", "none"]  # of it that is chosen, by any entry of the scope
    refused: tuple[str, ...]  # why the site refuses it


@dataclass(frozen=True)
class Network:
    """One site's segments: first those that are chosen, each by its addresses."""

    site: dict[str, Any]  # id, name, customer_id, customer, time_zone
    scope: Scope
    listed: SegmentsListed | None  # the newest
    rows: tuple[Row, ...]
    refused: tuple[NotReached, ...]  # of the scope, and of no row

    @property
    def is_taken(self) -> bool:
        """The site has listed its segments under the scope in force."""
        listed = self.listed
        return self.scope.version == 0 or bool(
            listed and (listed.scope_version or 0) >= self.scope.version
        )


async def network_of(connection: Connection, site_name: str) -> Network | None:
    """None where there is no such site. Raises: ScopeError."""
    if not site_name.isprintable():  # a name that no site has; PostgreSQL takes no NUL
        return None
    found = await connection.execute(
        "select s.id, s.name, s.customer_id, c.name as customer, c.time_zone"
        " from site s join customer c on c.id = s.customer_id where s.name = %s",
        (site_name,),
    )
    site = await found.fetchone()
    if site is None:
        return None
    scope = await scope_in_force(connection, site["id"])
    listed = await newest_listed(connection, site["id"])
    rows, refused = rows_of(scope, listed)
    return Network(site, scope, listed, rows, refused)


async def newest_listed(connection: Connection, site_id: int) -> SegmentsListed | None:
    """The list of segments that came last from a site; its instant is by the hub's clock."""
    found = await connection.execute(
        "select body, taken_at + make_interval(secs => clock_offset_s) as listed_at from message"
        " where site_id = %s and type = 'segments.listed.v1' order by ledger_no desc limit 1",
        (site_id,),
    )
    row = await found.fetchone()
    if row is None:
        return None
    listed = decode(SegmentsListed.routing_key, bytes(row["body"]))
    assert isinstance(listed, SegmentsListed)
    return listed.model_copy(update={"listed_at": row["listed_at"]})


def rows_of(
    scope: Scope, listed: SegmentsListed | None
) -> tuple[tuple[Row, ...], tuple[NotReached, ...]]:
    """The rows, and what the site refuses of the scope that is no row."""
    choices = choices_of(scope)
    covered = merged(span for entry in scope.segments for span in spans_of(entry))
    refused: dict[object, list[NotReached]] = {}
    for one in listed.refused if listed else ():
        refused.setdefault(same(one.target), []).append(one)
    segments = {same(one.network): one for one in listed.segments} if listed else {}
    chosen = {key: one for key, one in choices.items() if one.chosen}
    rows = []
    for key in {**chosen, **segments}:
        segment = segments.get(key)
        choice = choices.get(key) or Choice(segment.network if segment else "", chosen=False)
        reasons = [one.reason for one in refused.pop(key, ())]
        if segment and segment.refused:
            reasons.insert(0, segment.refused)
        reach = _reach(spans_of(choice.network), covered)
        rows.append(Row(choice, segment, reach, tuple(dict.fromkeys(reasons))))
    rows.sort(key=lambda row: (not row.choice.chosen, spans_of(row.choice.network)))
    return tuple(rows), tuple(one for several in refused.values() for one in several)


def _reach(spans: Spans, covered: Sequence[tuple[int, int]]) -> Literal["all", "part", "none"]:
    """How much of `spans` is within `covered`, which is sorted and disjoint."""
    within = touched = 0
    for first, last in spans:
        at = bisect_left(covered, first, key=lambda span: span[1])  # the first that ends no earlier
        if at < len(covered) and covered[at][0] <= last:
            touched += 1
            within += covered[at][0] <= first and last <= covered[at][1]
    if not touched:
        return "none"
    return "all" if within == len(spans) else "part"
