"""Listening, and stopping in time, whatever hangs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from shared.serve import listen

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


def test_what_a_connection_sends_in_two_pieces_does_not_wait_for_the_first_to_be_acknowledged() -> (
    None
):
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()

        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
