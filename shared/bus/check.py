"""Whether a broker takes a service in, for `pagetally check`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from shared.bus.port import Bus, BusDownError
from shared.check import Step

_START_S = 15.0


async def broker(
    connect: Callable[[], Bus], setting: str, wrong: type[Exception]
) -> AsyncIterator[Step]:
    """One step.

    Args:
        connect: makes a service's bus; raises `wrong`, where a setting is.
        setting: the variable that holds the broker's URL.
    """
    advice = f"is it up? are user, password and virtual host in {setting} right?"
    try:
        bus = connect()
    except wrong as error:
        yield Step("failed", "broker", str(error), "correct it")
        return
    try:
        async with asyncio.timeout(_START_S):
            await bus.start()
    except BusDownError as error:
        yield Step("failed", "broker", str(error), advice)
    except TimeoutError:
        yield Step("failed", "broker", bus.problem() or "no answer", advice)
    else:
        yield Step("ok", "broker", "connected, and its queues are there")
    finally:
        await bus.stop()
