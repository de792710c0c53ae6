"""A box in a network namespace of its own, and in another, behind one cable, all that it could
reach: every address there is answers SNMP. What the box sends is captured on all its interfaces.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from tests.peers.namespaces import Capture, Namespace, held, mounts

BOX, GATEWAY = "10.99.0.2", "10.99.0.1"

# the box has one way out, for every address there is
_BOX_SIDE = f"""\
link set lo up
addr add {BOX}/30 dev box0
addr add fd00:99::2/126 dev box0 nodad
link set box0 up
route add default via {GATEWAY}
route add multicast 224.0.0.0/4 dev box0
-6 route add default via fd00:99::1
-6 neigh add fe80::7 lladdr 02:00:00:00:00:07 dev box0 nud permanent
"""
# and behind it every address is there
_OTHER_SIDE = f"""\
link set lo up
addr add {GATEWAY}/30 dev lan0
addr add fd00:99::1/126 dev lan0 nodad
link set lan0 up
route add local 0.0.0.0/0 dev lo table main
-6 route add local ::/0 dev lo table main
"""


class Walled:
    """The box and what lies behind its cable."""

    def __init__(self, box: Namespace, there: Namespace) -> None:
        self.box = box
        self.there = there
        self.capture = Capture(box)

    @asynccontextmanager
    async def relayed(self, port: int) -> AsyncIterator[int]:
        """What listens on 127.0.0.1 of this machine, reached from the box at GATEWAY; the port."""

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while octets := await reader.read(65_536):
                writer.write(octets)
                await writer.drain()
            writer.close()

        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(
                copy(reader, to_writer), copy(to_reader, writer), return_exceptions=True
            )

        listening = self.there.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind((GATEWAY, 0))
        async with await asyncio.start_server(join, sock=listening):
            yield listening.getsockname()[1]


@contextmanager
def walled(hosts: Mapping[str, str], folder: Path) -> Iterator[Walled]:
    """Both namespaces while the block runs.

    Args:
        hosts: the names that the box knows, where `mounts()`.
    """
    known = folder / "hosts"
    known.write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))
    with ExitStack() as stack:
        first = f"mount --bind {known} /etc/hosts" if mounts() else "true"
        box = stack.enter_context(held(first))
        there = stack.enter_context(held())
        box.ip(f"link add box0 type veth peer name lan0 netns {there.pid}")
        there.ip(_OTHER_SIDE)
        box.ip(_BOX_SIDE)
        made = Walled(box, there)
        stack.callback(made.capture.close)
        yield made
