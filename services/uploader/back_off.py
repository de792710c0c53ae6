"""What a failure to reach the hub asks for: how long to wait, and what was at fault. Pure."""

from __future__ import annotations

import random

from services.uploader.failures import NotAnsweredError, NotReachedError, RefusedError
from services.uploader.settings import SettingError

_FIRST_S = 1.0
_LONGEST_S = 900.0
_LONGEST_LOOKING_S = 30.0
_LONGEST_RETRY_AFTER_S = 3600.0
_SPREAD_S = 5.0  # a hub tells all sites the same few seconds


def back_off_s(trouble: Exception, failures: int, *, looking: bool) -> float:
    """Seconds until the next try, with jitter.

    Args:
        failures: how many there were in a row, with this one.
        looking: something waits for a hub that is away.
    """
    if isinstance(trouble, RefusedError) and trouble.retry_after_s is not None:
        asked = min(_LONGEST_RETRY_AFTER_S, max(_FIRST_S, trouble.retry_after_s))
        return asked + random.uniform(0.0, max(asked / 10, _SPREAD_S))
    if needs_a_person(trouble):
        return _LONGEST_S * random.uniform(0.8, 1.0)
    most = _LONGEST_LOOKING_S if looking else _LONGEST_S
    return min(most, _FIRST_S * 2.0 ** min(failures, 20)) * random.uniform(0.5, 1.0)


def is_away(trouble: Exception, *, greeting: bool) -> bool:
    """Whether the hub is not there, so that another look costs next to nothing.

    Args:
        greeting: what failed was a batch without messages.
    """
    if isinstance(trouble, NotReachedError):
        return True
    if isinstance(trouble, RefusedError):
        return greeting and trouble.status >= 500
    return greeting and isinstance(trouble, NotAnsweredError)


def batch_may_be_why(trouble: Exception) -> bool:
    """Whether the hub was reached and may have failed over what was sent to it."""
    if isinstance(trouble, RefusedError):
        return trouble.status in (400, 422, 500)
    return isinstance(trouble, NotAnsweredError)


def needs_a_person(trouble: Exception) -> bool:
    if isinstance(trouble, RefusedError):
        return trouble.status in (401, 403)
    return isinstance(trouble, SettingError)
