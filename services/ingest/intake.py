"""A request's body, from the first byte to JSON, within what the hub may hold at once."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.ingest.body import announced_size, is_gzip, read_body, unpack, unpacked_size
from services.ingest.envelope import TooLargeError
from services.ingest.room import Room
from services.ingest.settings import IngestSettings

if TYPE_CHECKING:  # a command that takes a size from here does without it
    from fastapi import Request

_WAIT_S = 10.0
SMALL = 65_536  # octets that are looked at before a thread could begin
_TIMES = 5  # what a batch takes until it is stored, by the size of its JSON


class Intake:
    """Bodies that arrive, and batches at work: each site gets at most its share of either."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        half = settings.bodies_mib * 1_048_576 // 2
        self._arriving = Room(half, half // 4, _WAIT_S)
        self._unpacked = Room(half, half, _WAIT_S)
        self._at_work = Room(settings.pool_size, max(1, settings.pool_size // 2), _WAIT_S)

    @asynccontextmanager
    async def json_of(self, site_id: int, request: Request) -> AsyncIterator[tuple[bytes, int]]:
        """(the JSON, how many bytes came); both are held until the block ends.

        Raises: BatchError, TooLargeError, TooSlowError, WrongTypeError, NoRoomError.
        """
        most, most_json = self._settings.max_body_bytes, self._settings.max_json_bytes
        packed = is_gzip(request.headers)
        announced = announced_size(request.headers, most)
        async with self._arriving.held(site_id, announced):
            came = await read_body(
                request.stream(), max_bytes=most, max_s=self._settings.max_body_s
            )
            size = unpacked_size(came) if packed else len(came)
            if size > most_json and not packed:
                raise TooLargeError(f"more than {most_json} bytes")
            async with (
                self._at_work.held(site_id, 1),
                self._unpacked.held(site_id, _TIMES * size if size <= most_json else 0),
            ):
                yield await self._json(came, size) if packed else came, len(came)

    async def _json(self, packed: bytes, size: int) -> bytes:
        most = self._settings.max_json_bytes
        # a size over the limit may be a lie, which takes reading all of it to tell
        if size <= min(SMALL, most) and len(packed) <= SMALL:
            return unpack(packed, size, most)
        return await to_thread(unpack, packed, size, most)
