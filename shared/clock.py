"""The clock, and how wrong one is, in words; what is pure takes `now` instead."""

from __future__ import annotations

from datetime import UTC, datetime

_WRONG_S = 300.0
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


def utc_now() -> datetime:
    return datetime.now(UTC)


def clock_off(offset_s: float | None, least_s: float = _WRONG_S) -> str | None:
    """ "2 days ahead", "6 minutes behind": of a clock to whose time `offset_s` is to be added.

    None up to `least_s`, and where it is not known.
    """
    if offset_s is None or abs(offset_s) <= least_s:
        return None
    unit_s, unit = next((each for each in _UNITS if abs(offset_s) >= 2 * each[0]), _UNITS[-1])
    return f"{round(abs(offset_s) / unit_s)} {unit} {'ahead' if offset_s < 0 else 'behind'}"
