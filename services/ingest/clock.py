"""How far a site's clock is off, and when a read was taken by the hub's clock. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

_BY_THE_WAY_S = 2.0  # so much the way to the hub takes: no clock is called wrong for less


def clock_offset_s(sent_at: datetime, arrived_at: datetime) -> float:
    """What must be added to the site's time to have the hub's; 0 where they agree."""
    offset_s = (arrived_at - sent_at).total_seconds()
    return offset_s if abs(offset_s) > _BY_THE_WAY_S else 0.0


def billed_at(taken_at: datetime, offset_s: float) -> datetime:
    """The instant that decides which period a read is of."""
    return taken_at + timedelta(seconds=offset_s)
