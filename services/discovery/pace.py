"""How fast a sweep may send."""

from __future__ import annotations

import asyncio

MOST_AT_ONCE = 64  # datagrams between two looks at what has come
_BURST_S = 0.02


class Pacer:
    """A token bucket: at most `rate` turns a second; 0 is as fast as the loop turns."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = min(MOST_AT_ONCE, max(1.0, rate * _BURST_S))
        self._tokens = 0.0
        self._at = asyncio.get_running_loop().time()

    async def turns(self) -> int:
        """Takes all turns that there are, and waits for one; what has come is read meanwhile."""
        if not self._rate:
            await asyncio.sleep(0)
            return MOST_AT_ONCE
        self._refill()
        await asyncio.sleep(max(0.0, (1 - self._tokens) / self._rate))
        self._refill()
        turns = max(1, int(self._tokens))
        self._tokens -= turns
        return turns

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
