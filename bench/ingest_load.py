"""What sends batches to ingest: a process of its own, which only writes bytes made before.

Run as `python -m bench.ingest_load FILE`; the file is a pickled Load, the result a JSON line.
"""

import asyncio
import json
import pickle
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sender:
    """One connection at a time: whole HTTP requests, sent one after the other."""

    requests: list[bytes]
    every_s: float = 0.0  # a request is begun so long after the one before was
    first_s: float = 0.0
    keep_alive: bool = True
    endless: bool = False  # until the other senders are done; not counted


@dataclass(frozen=True)
class Load:
    port: int
    ca_file: str
    senders: list[Sender]


class _Line:
    """A connection to the server."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, request: bytes) -> bytes:
        """The answer's body. Raises: RuntimeError, where the server did not take the request."""
        if self._open is None:
            self._open = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, limit=1 << 20
            )
        reader, writer = self._open
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head.splitlines()[0]!r} {body[:300]!r}")
        if b'"rejected"' in body or b'"duplicate"' in body:
            raise RuntimeError(f"not all accepted: {body[:300]!r}")
        return body

    async def close(self) -> None:
        if self._open:
            _, writer = self._open
            self._open = None
            writer.close()


async def send(load: Load) -> dict[str, object]:
    context = ssl.create_default_context(cafile=load.ca_file)
    took: list[float] = []
    began = time.perf_counter()

    async def work(sender: Sender) -> None:
        line = _Line(load.port, context)
        due = time.perf_counter() + sender.first_s
        for request in sender.requests:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            await line.post(request)
            if not sender.endless:
                took.append(time.perf_counter() - start)
            if not sender.keep_alive:
                await line.close()
            due += sender.every_s
        await line.close()

    endless = [asyncio.create_task(work(it)) for it in load.senders if it.endless]
    await asyncio.gather(*(work(it) for it in load.senders if not it.endless))
    seconds = time.perf_counter() - began
    done = [task.done() for task in endless]
    for task in endless:
        task.cancel()
    return {
        "seconds": seconds,
        "took": sorted(took),
        "cpu_s": time.process_time(),
        "ran_out": any(done),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(pickle.loads(Path(sys.argv[1]).read_bytes())))))
