"""Stopping: a process that is told to is gone in time, whatever hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HANGING = """
import asyncio, threading, time
from shared.serve import stop_on_signals

async def main():
    stopping = stop_on_signals(within_s=0.5)
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 20)  # a name server is away
    print("up", flush=True)
    await stopping.wait()

asyncio.run(main())
"""


def test_a_look_up_that_hangs_keeps_no_process_from_stopping() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout
        process.stdout.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(15)

    assert status == 1
    assert time.monotonic() - began < 10
