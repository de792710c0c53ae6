"""How this site is, as the uploader tells the hub with each batch, and its metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import Gauge

from services.uploader.room import Forecast, forecast
from services.uploader.spool import Spool
from shared.log import log

_LONGEST_TEXT = 300
_LOOKED_AGAIN = timedelta(hours=1)
_SAID_AGAIN = timedelta(days=1)
_WAITING = Gauge("uploader_waiting_messages", "Messages that wait for the hub")
_FREE = Gauge("uploader_disk_free_bytes", "Room on the spool's disk")
_DAYS = Gauge("uploader_disk_days", "Days until that is full, by what was stored in the last days")


class Status:
    """Looks at the spool and its disk, and says once a day that the disk is filling.

    Args:
        bus_problem: what keeps the bus from working, in words.
        contact_s: how often the hub is contacted, so that it knows when this site is late.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        bus_problem: Callable[[], str | None],
        contact_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._spool = spool
        self._bus_problem = bus_problem
        self._contact_s = contact_s
        self._now = now
        self._forecast: Forecast | None = None
        self._looked_at: datetime | None = None
        self._said_at: datetime | None = None

    def as_json(self) -> bytes:
        """Raises: CannotStoreError, where the spool cannot be read."""
        room = self._room()
        waiting = self._spool.count_waiting()
        _WAITING.set(waiting)
        problem = self._bus_problem()
        told = {
            "contact_s": self._contact_s,
            "waiting": waiting,
            "oldest_at": self._spool.oldest_at(),
            "disk_free": room.free if room else None,
            "disk_days": round(room.days, 1) if room and room.days is not None else None,
            "full": self._spool.problem() is not None,
            "bus": problem[:_LONGEST_TEXT] if problem else None,
        }
        return json.dumps(told, separators=(",", ":")).encode()

    def _room(self) -> Forecast | None:
        now = self._now()
        if self._looked_at is None or abs(now - self._looked_at) >= _LOOKED_AGAIN:
            self._looked_at = now
            try:
                self._forecast = forecast(self._spool.path, now)
            except OSError as error:
                log.warning("the spool's disk cannot be looked at", reason=str(error))
            self._tell(now)
        return self._forecast

    def _tell(self, now: datetime) -> None:
        room = self._forecast
        if room is None:
            return
        _FREE.set(room.free)
        _DAYS.set(room.days if room.days is not None else float("inf"))
        if room.is_short and (self._said_at is None or abs(now - self._said_at) >= _SAID_AGAIN):
            self._said_at = now
            log.error(
                "the spool's disk will be full",
                service="uploader",
                file=str(self._spool.path),
                room=room.told(),
            )
