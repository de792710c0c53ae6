"""A poller that a certain device's answer ends at once, as a fault in a C library would."""

from __future__ import annotations

import os
from typing import Any

from services.poller import read
from services.poller.device import read_device as really_read
from services.poller.main import main

POISON = os.environ["POISON"]


async def read_device(session: Any, profiles: Any, address: str, *more: Any) -> Any:
    device = await really_read(session, profiles, address, *more)
    if address == POISON:
        os._exit(139)
    return device


if __name__ == "__main__":
    setattr(read, "read_device", read_device)  # noqa: B010  (the name is imported there)
    main()
