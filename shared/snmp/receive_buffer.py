"""How much may wait to be read: what is asked of the system, what it grants, and what was lost."""

from __future__ import annotations

import socket
import struct

RECEIVE_BUFFER_BYTES = 8 * 2**20  # 65,536 answers at once were lost by less (a /16, all alive)
_SO_RCVBUFFORCE = 33  # linux/socket.h: over net.core.rmem_max, where this process may
_SO_MEMINFO = 55  # linux/socket.h
_MEMINFO = struct.Struct("=9I")
_DROPS = 8  # linux/sock_diag.h, SK_MEMINFO_DROPS


def enlarge(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except OSError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def granted_bytes(opened: socket.socket) -> int:
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux doubles it


def dropped(opened: socket.socket) -> int:
    """Datagrams that came while the buffer was full; 0 where the system does not tell."""
    try:
        said = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(said)[_DROPS])
    except (OSError, struct.error):  # not Linux, or one before 4.12
        return 0


def remarks(granted: int, lost: int, *, is_fast: bool) -> list[str]:
    """What was lost for want of room, in words; or, where much comes at once, what may be."""
    is_capped = 0 < granted < RECEIVE_BUFFER_BYTES
    mend = f"sysctl -w net.core.rmem_max={RECEIVE_BUFFER_BYTES}"
    if lost:
        return [
            f"{lost} datagrams came while the receive buffer of {granted} bytes was full, and are"
            f" lost: ask again, slower{f' or after {mend}' if is_capped else ''}"
        ]
    if is_fast and is_capped:
        return [
            f"the system grants a receive buffer of {granted} bytes where {RECEIVE_BUFFER_BYTES}"
            f" are asked for, so that answers may be lost at this pace: {mend}"
        ]
    return []
