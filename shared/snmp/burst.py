"""Many datagrams in one call of the system: sendmmsg(2), which Linux has."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

MOST = 64
MOST_OCTETS = 2048  # of a payload in a Post
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


class _Messages:
    """MOST messages to IPv4 addresses; their addresses stand in one row."""

    def __init__(self, iovecs: Sequence[_Iovec]) -> None:
        self._names = bytearray(MOST * _NAME_BYTES)
        self._held = (ctypes.c_char * len(self._names)).from_buffer(self._names)
        self._messages = (_Mmsghdr * MOST)()
        for number, (one, iovec) in enumerate(zip(self._messages, iovecs, strict=True)):
            one.message.name = ctypes.addressof(self._held) + number * _NAME_BYTES
            one.message.name_length = _NAME_BYTES
            one.message.iovecs = ctypes.addressof(iovec)
            one.message.iovec_count = 1

    def _send(self, opened: socket.socket, row: bytes) -> int:
        """How many left, of those whose addresses are in `row`. Raises: OSError."""
        self._names[: len(row)] = row
        call = sendmmsg()
        assert call
        sent = call(opened.fileno(), self._messages, len(row) // _NAME_BYTES, 0)
        if sent < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return sent


class Burst(_Messages):
    """One payload to up to MOST IPv4 addresses at a time.

    Every message points to the same payload, so that a call costs no more than writing the row
    of addresses.
    """

    def __init__(self) -> None:
        self._iovec = _Iovec()
        super().__init__([self._iovec] * MOST)

    def send(
        self, opened: socket.socket, payload: bytes, addresses: Sequence[bytes], port: int
    ) -> int:
        """How many left, from the first on; at least one.

        Args:
            addresses: 1 to MOST, each 4 octets in network order.

        Raises:
            OSError: the first cannot be sent: EAGAIN where the socket's buffer is full.
        """
        begin = _begin(port)
        self._iovec.base, self._iovec.length = payload, len(payload)
        return self._send(opened, begin + (_ZEROS + begin).join(addresses[:MOST]) + _ZEROS)


class Post(_Messages):
    """Up to MOST datagrams at a time, each with its own payload and IPv4 address."""

    def __init__(self) -> None:
        self._payloads = bytearray(MOST * MOST_OCTETS)
        self._kept = (ctypes.c_char * len(self._payloads)).from_buffer(self._payloads)
        self._iovecs = (_Iovec * MOST)()
        # base, length, base, length
        self._words = memoryview(self._iovecs).cast("B").cast("L")
        for number in range(MOST):
            self._words[2 * number] = ctypes.addressof(self._kept) + number * MOST_OCTETS
        super().__init__(list(self._iovecs))

    def send(self, opened: socket.socket, datagrams: Sequence[tuple[bytes, str, int]]) -> int:
        """How many left, from the first on; at least one.

        Args:
            datagrams: 1 to MOST payloads of MOST_OCTETS at most, each with address and port.

        Raises: as Burst.send.
        """
        names = []
        for number, (payload, address, port) in enumerate(datagrams):
            begin, length = number * MOST_OCTETS, len(payload)
            self._payloads[begin : begin + length] = payload
            self._words[2 * number + 1] = length
            names.append(_begin(port) + socket.inet_aton(address) + _ZEROS)
        return self._send(opened, b"".join(names))


@lru_cache
def _begin(port: int) -> bytes:
    """Of a struct sockaddr_in, up to its address."""
    return int(socket.AF_INET).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")


@cache
def sendmmsg() -> Callable[..., int] | None:
    """The system's, where it has one."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None)
