"""Many datagrams in one call of the system: sendmmsg(2), which Linux has."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import cache

MOST = 64
_NAME_BYTES = 16  # struct sockaddr_in: family, port, address, eight zeros
_ZEROS = bytes(8)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iovecs", ctypes.c_void_p),
        ("iovec_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("message", _Msghdr), ("sent_length", ctypes.c_uint32))


class Burst:
    """One payload to up to MOST IPv4 addresses at a time.

    Every message points to the same payload and to its own place in one row of addresses, so
    that a call costs no more than writing that row.
    """

    def __init__(self) -> None:
        self._names = bytearray(MOST * _NAME_BYTES)
        self._held = (ctypes.c_char * len(self._names)).from_buffer(self._names)
        self._iovec = _Iovec()
        self._messages = (_Mmsghdr * MOST)()
        for number, one in enumerate(self._messages):
            one.message.name = ctypes.addressof(self._held) + number * _NAME_BYTES
            one.message.name_length = _NAME_BYTES
            one.message.iovecs = ctypes.addressof(self._iovec)
            one.message.iovec_count = 1

    def send(
        self, opened: socket.socket, payload: bytes, addresses: Sequence[bytes], port: int
    ) -> int:
        """How many left, from the first on; at least one.

        Args:
            addresses: 1 to MOST, each 4 octets in network order.

        Raises:
            OSError: the first cannot be sent: EAGAIN where the socket's buffer is full.
        """
        begin = int(socket.AF_INET).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
        row = begin + (_ZEROS + begin).join(addresses[:MOST]) + _ZEROS
        self._names[: len(row)] = row
        self._iovec.base, self._iovec.length = payload, len(payload)
        call = sendmmsg()
        assert call
        sent = call(opened.fileno(), self._messages, len(row) // _NAME_BYTES, 0)
        if sent < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return sent


@cache
def sendmmsg() -> Callable[..., int] | None:
    """The system's, where it has one."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None)
