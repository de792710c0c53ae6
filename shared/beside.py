"""Work beside the event loop that would keep it from others for milliseconds."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
# one: two would only take the interpreter from each other, and from the loop
_thread = ThreadPoolExecutor(1, "beside")


async def beside(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` gives; it does not wait for anything, and others wait for it."""
    return await get_running_loop().run_in_executor(_thread, lambda: work(*args, **kwargs))
