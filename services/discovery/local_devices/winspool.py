"""The Windows Spooler of this computer itself, through winspool.drv.

Not run on Windows by us: only the parser of what it gives, printer_info, is tested.
"""

from __future__ import annotations

import asyncio
import sys

from services.discovery.local_devices.printer_info import (
    MAX_ENTRIES,
    Layout,
    MalformedListError,
    ports_of,
    printers_of,
)
from services.discovery.local_devices.queues import Listing, SpoolerError, windows_queues

_LOCAL = 2  # PRINTER_ENUM_LOCAL
_LEVEL = 2
_MAX_BUFFER = 4_194_304  # octets of a list


async def list_winspool(host: str) -> Listing:
    """Raises: SpoolerError."""
    if sys.platform != "win32":
        raise SpoolerError("lists its own devices by winspool on Windows alone; this is none")
    if host != "localhost":
        raise SpoolerError("is asked by winspool as localhost: by its own agent, for itself")
    try:
        return await asyncio.to_thread(_listing)
    except (OSError, MalformedListError) as error:
        raise SpoolerError(f"gives no list of its printers: {error}") from None


def _listing() -> Listing:
    """Raises: OSError, MalformedListError."""
    if sys.platform != "win32":
        raise OSError("not Windows")
    import ctypes
    from ctypes import byref, c_uint32

    library = ctypes.WinDLL("winspool.drv", use_last_error=True)

    def listed(call: ctypes._NamedFuncPointer, *first: object) -> tuple[bytes, int, Layout]:
        needed, returned, size = c_uint32(), c_uint32(), 0
        while size <= _MAX_BUFFER:
            buffer = ctypes.create_string_buffer(size)
            if call(*first, _LEVEL, buffer, size, byref(needed), byref(returned)):
                layout = Layout(ctypes.sizeof(ctypes.c_void_p), ctypes.addressof(buffer))
                return buffer.raw, returned.value, layout
            if needed.value <= size:
                break
            size = needed.value
        raise ctypes.WinError(ctypes.get_last_error())

    printers, entries, layout = listed(library.EnumPrintersW, _LOCAL, None)
    ports, port_entries, port_layout = listed(library.EnumPortsW, None)
    return Listing(
        windows_queues(
            printers_of(printers, min(entries, MAX_ENTRIES), layout),
            ports_of(ports, min(port_entries, MAX_ENTRIES), port_layout),
        ),
        is_cut=entries >= MAX_ENTRIES,
    )
