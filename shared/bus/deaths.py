"""Why the broker moved a message to another queue, in words: its header x-death."""

from __future__ import annotations

from collections.abc import Mapping

from shared.text import clean

_MOST = 5
_REASONS = {
    "rejected": "given up by its reader",
    "delivery_limit": "delivered too often without an end",
    "expired": "waited too long",
    "maxlen": "the queue was full",
}


def died_of(headers: Mapping[str, object]) -> str:
    """Oldest first; empty where the broker said nothing.

    Source: RabbitMQ, Dead Letter Exchanges, "Effects on Messages": a table a queue and reason,
    newest first, with `queue`, `reason` and `count`.
    """
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return ""
    told = [_in_words(death) for death in deaths[:_MOST] if isinstance(death, dict)]
    return "; ".join(reversed(told))


def _in_words(death: Mapping[object, object]) -> str:
    reason = clean(str(death.get("reason")), 60) or "?"
    count = death.get("count")
    often = f", {count} times" if isinstance(count, int) and 1 < count < 10**9 else ""
    queue = clean(str(death.get("queue")), 100) or "?"
    return f"{queue}: {_REASONS.get(reason, reason)}{often}"
