"""How many requests and bytes a site may send a minute; counted in memory, in whole minutes."""

from __future__ import annotations

import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class Rates:
    def __init__(self, requests_a_minute: int, kib_a_minute: int) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests_a_minute, namespace="requests")
        self._kib = RateLimitItemPerMinute(kib_a_minute, namespace="kib")

    def begin(self, site_id: int) -> int | None:
        """Count one request; the seconds to wait where it is one too many."""
        key = str(site_id)
        if not self._limiter.hit(self._requests, key):
            return self._wait_s(self._requests, key)
        if not self._limiter.test(self._kib, key):
            return self._wait_s(self._kib, key)
        return None

    def received(self, site_id: int, size: int) -> None:
        """Count the bytes of a body; the one that passes the limit is still taken."""
        self._limiter.hit(self._kib, str(site_id), cost=max(1, size // 1024))

    def _wait_s(self, item: RateLimitItem, key: str) -> int:
        resets_at = self._limiter.get_window_stats(item, key).reset_time
        return max(1, int(resets_at - time.time()) + 1)
