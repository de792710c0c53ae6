"""`make bench`, or `python -m bench [NAME]…`: a line a measurement, ours beside its peer."""

from __future__ import annotations

import asyncio
import importlib
import os
import platform
import sys

from shared.log import set_up_logs

# each a module with `async def run() -> None`
BENCHES = ("codec", "publish", "poll", "sweep", "ingest")


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHES)
    if unknown:
        sys.stderr.write(f"bench: no {', '.join(sorted(unknown))}; known: {', '.join(BENCHES)}\n")
        return 2
    set_up_logs("kv", "error")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores", flush=True)
    for name in names or BENCHES:
        try:
            bench = importlib.import_module(f"bench.{name}")
        except ModuleNotFoundError as missing:
            print(f"{name:<8} left out: {missing.name} is not installed here")
            continue
        asyncio.run(bench.run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
