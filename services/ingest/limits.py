"""How much a key may send a minute, and how often keys may be guessed; counted in memory."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from threading import Timer

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

_MOST_SOURCES = 1_000
_MOST_RIGHT = 10_000


class _AlwaysAlive(Timer):
    """For a MemoryStorage that starts no thread at nearly each count, to forget what is over: a
    key's counts are forgotten as they are asked for, and there are as many as keys in force."""

    def is_alive(self) -> bool:
        return True


class Rates:
    """Requests, bytes and messages of each key, in whole minutes."""

    def __init__(self, requests: int, kib: int, messages: int) -> None:
        """All a minute."""
        storage = MemoryStorage()
        storage.timer = _AlwaysAlive(0, int)
        self._limiter = FixedWindowRateLimiter(storage)
        self._requests = RateLimitItemPerMinute(requests, namespace="requests")
        self._kib = RateLimitItemPerMinute(kib, namespace="kib")
        self._messages = RateLimitItemPerMinute(messages, namespace="messages")

    def begin(self, key_id: int) -> int | None:
        """Count one request; the seconds to wait where it is one too many."""
        key = str(key_id)
        if not self._limiter.hit(self._requests, key):
            return self._wait_s(self._requests, key)
        for item in (self._kib, self._messages):
            if not self._limiter.test(item, key):
                return self._wait_s(item, key)
        return None

    def received(self, key_id: int, size: int) -> None:
        """Count the bytes of a body; the one that passes the limit is still taken."""
        self._limiter.hit(self._kib, str(key_id), cost=max(1, size // 1024))

    def carried(self, key_id: int, messages: int) -> None:
        """Count a batch's messages; the one that passes the limit is still taken."""
        if messages:
            self._limiter.hit(self._messages, str(key_id), cost=messages)

    def _wait_s(self, item: RateLimitItem, key: str) -> int:
        resets_at = self._limiter.get_window_stats(item, key).reset_time
        return max(1, int(resets_at - time.time()) + 1)


class Guesses:
    """How many wrong keys a source may try a minute.

    A key that was right lately is none: who guesses from a site's own address keeps nobody out.
    Nor is one that is being looked up: after a restart all sites behind one address come at once.
    """

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = a_minute, now
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: Counter[str] = Counter()
        self._minute = -1

    def begin(self, address: str, digest: bytes) -> int | None:
        """The seconds to wait, where one more would be too many."""
        if digest in self._right:
            return None
        minute, second = divmod(int(self._now()), 60)
        if minute != self._minute:
            self._minute = minute
            self._wrong.clear()
        return 60 - second if self._wrong[self._counted(address)] >= self._most else None

    def right(self, digest: bytes) -> None:
        self._right[digest] = None
        self._right.move_to_end(digest)
        if len(self._right) > _MOST_RIGHT:
            self._right.popitem(last=False)

    def wrong(self, address: str, digest: bytes) -> None:
        self._right.pop(digest, None)
        self._wrong[self._counted(address)] += 1

    def _counted(self, address: str) -> str:
        """Under which name; those beyond the most that are kept apart share one."""
        source = _source(address)
        return source if source in self._wrong or len(self._wrong) < _MOST_SOURCES else "others"


def _source(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one, of which anybody has as many as he likes."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or (int(found) >> 64))
    return str(found)
