"""Long work in the event loop, piece by piece: what is short has its turn in between."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Lock, get_running_loop, sleep
from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")
_long_work: WeakKeyDictionary[AbstractEventLoop, Lock] = WeakKeyDictionary()


async def in_turns(work: Callable[[Sequence[_T]], object], items: Sequence[_T], most: int) -> None:
    """Call `work` with `items`, up to `most` at a time.

    Of works that take several times one goes on while the others wait: in turn they would only
    take the processor's caches from each other.
    """
    if len(items) <= most:
        work(items)
        return
    async with _long_work.setdefault(get_running_loop(), Lock()):
        for first in range(0, len(items), most):
            if first:
                await sleep(0)
            work(items[first : first + most])
