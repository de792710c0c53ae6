"""How much may be held at once, shared fairly between sites: bytes of bodies, batches at work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class NoRoomError(Exception):
    """The hub holds as much as it may, and nothing of it went in time."""


@dataclass(eq=False)
class _Waiting:
    site_id: int
    size: int
    let_in: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Room:
    """At most `size` at once, of that at most `a_site` of one site; who waits is let in in turn.

    What is larger than `a_site` counts as that, and so is alone of its site.
    """

    def __init__(self, size: int, a_site: int, wait_s: float) -> None:
        self._free, self._a_site, self._wait_s = size, a_site, wait_s
        self._held: Counter[int] = Counter()  # by site
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def held(self, site_id: int, size: int) -> AsyncIterator[None]:
        """Holds `size` of the room while the block runs. Raises: NoRoomError."""
        one = _Waiting(site_id, min(size, self._a_site))
        self._waiting.append(one)
        self._let_in()
        try:
            await self._turn(one)
            yield
        finally:
            if one in self._waiting:
                self._waiting.remove(one)
            else:
                self._free += one.size
                self._held[site_id] -= one.size
                if not self._held[site_id]:
                    del self._held[site_id]
            self._let_in()

    async def _turn(self, one: _Waiting) -> None:
        if one.let_in.done():
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await one.let_in
        except TimeoutError:
            raise NoRoomError from None

    def _let_in(self) -> None:
        """In turn, but that nobody waits for a site which has its share."""
        for one in tuple(self._waiting):
            has_its_share = self._held[one.site_id] + one.size > self._a_site
            if has_its_share or one.let_in.cancelled():
                continue
            if one.size > self._free:
                return
            self._waiting.remove(one)
            self._free -= one.size
            self._held[one.site_id] += one.size
            one.let_in.set_result(None)
