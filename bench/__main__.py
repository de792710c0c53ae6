"""`make bench`, or `python -m bench [NAME]…`: a line a measurement, ours beside its peer."""

from __future__ import annotations

import asyncio
import os
import platform
import sys

from bench import codec, publish
from shared.log import set_up_logs

BENCHES = {"codec": codec.run, "publish": publish.run}


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHES)
    if unknown:
        sys.stderr.write(f"bench: no {', '.join(sorted(unknown))}; known: {', '.join(BENCHES)}\n")
        return 2
    set_up_logs("kv", "error")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    for name in names or BENCHES:
        asyncio.run(BENCHES[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
