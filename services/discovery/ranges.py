"""What is said of ranges of addresses, cut into spans of which each has one answer; pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Generic, TypeVar

from shared.spans import Span, Spans, common, without

T = TypeVar("T")


class Ranges(Generic[T]):
    """Of several ranges that hold an address the first counts.

    Args:
        said: ranges with what is said of each, the most important first.
        default: what counts where none holds an address.
    """

    def __init__(self, said: Sequence[tuple[Span, T]], default: T) -> None:
        self._default = default
        self._pieces = _pieces(said)
        self._begins = [first for (first, _), _ in self._pieces]

    def of(self, spans: Spans) -> list[tuple[Spans, T]]:
        """The addresses of `spans`, parted by what is said of them."""
        if not spans:
            return []
        first = max(0, bisect_right(self._begins, spans[0][0]) - 1)
        near = self._pieces[first : bisect_right(self._begins, spans[-1][1])]
        parted: list[tuple[Spans, T]] = [
            (part, said) for piece, said in near if (part := common(spans, [piece]))
        ]
        left = without(spans, [piece for piece, _ in near])
        return [*parted, (left, self._default)] if left else parted


def _pieces(said: Sequence[tuple[Span, T]]) -> list[tuple[Span, T]]:
    """Sorted and disjoint."""
    starts: dict[int, list[int]] = {}
    for rank, ((first, _), _) in enumerate(said):
        starts.setdefault(first, []).append(rank)
    borders = sorted({border for (first, last), _ in said for border in (first, last + 1)})
    open_ranks: list[int] = []
    pieces: list[tuple[Span, T]] = []
    of_rank = -1
    for begin, after in pairwise(borders):
        for rank in starts.get(begin, ()):
            heappush(open_ranks, rank)
        while open_ranks and said[open_ranks[0]][0][1] < begin:
            heappop(open_ranks)
        if not open_ranks:
            of_rank = -1
        elif open_ranks[0] == of_rank:
            pieces[-1] = (pieces[-1][0][0], after - 1), pieces[-1][1]
        else:
            of_rank = open_ranks[0]
            pieces.append(((begin, after - 1), said[of_rank][1]))
    return pieces
