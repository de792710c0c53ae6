"""pika's asyncio connection, with two of its ways changed."""

from __future__ import annotations

import asyncio
import struct

from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection

from shared.bus.frames import Frames

_FRAME_HEAD = 7  # bytes: type, channel, size
_WRITE_SIZE = 65_536  # bytes; pika copies what of a write is left at every send


class Connection(AsyncioConnection):  # type: ignore[misc]  # pika has no types
    """A connection that writes once a turn, and that no message's headers break again and again.

    pika sends every frame by itself, and a message is three. It cannot decode every header table
    that a broker lets through (a timestamp after the year 9999, say); such a message comes without
    its properties.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._unwritten: list[bytes] = []
        super().__init__(*args, **kwargs)

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._unwritten.append(data)

    def _write_out(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if self._transport is None:  # lost since
            return
        together: list[bytes] = []
        size = 0
        for data in unwritten:
            together.append(data)
            size += len(data)
            if size >= _WRITE_SIZE:
                self._transport.write(b"".join(together))
                together, size = [], 0
        if together:
            self._transport.write(b"".join(together))

    def frames(self, channel: int) -> Frames:
        return Frames(channel, self._body_max_length)

    def write(self, frames: bytes) -> None:
        self._output_marshaled_frames([frames])

    def _read_frame(self) -> tuple[int, frame.Frame | None]:
        try:
            read: tuple[int, frame.Frame | None] = super()._read_frame()
        except Exception:
            kind, channel, size = struct.unpack_from(">BHL", self._frame_buffer)
            if kind != spec.FRAME_HEADER:
                raise
            # AMQP 0-9-1, 2.3.5.2: class and weight, two bytes each, then the body's size
            (body_size,) = struct.unpack_from(">Q", self._frame_buffer, _FRAME_HEAD + 4)
            properties = spec.BasicProperties()
            return _FRAME_HEAD + size + 1, frame.Header(channel, body_size, properties)
        return read
