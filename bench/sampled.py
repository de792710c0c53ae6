"""Runs a module and tells where its time goes, by looking at its threads every 2 ms.

`python -m bench.sampled FILE MODULE`: at the end FILE holds, of each thread that was at work, in
which of our functions it was. What waits for the network or a lock counts as no work.
"""

import importlib
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

_WAITING = {"select", "wait", "_wait_for_tstate_lock", "poll", "acquire", "_worker", "get"}
_OURS = ("/services/", "/shared/", "/bench/")


def _of(frame: FrameType | None) -> tuple[str, str] | None:
    """(innermost function, innermost function of ours)."""
    if frame is None or frame.f_code.co_name in _WAITING:
        return None
    own = _name(frame)
    while frame and not any(part in frame.f_code.co_filename for part in _OURS):
        frame = frame.f_back
    return own, _name(frame) if frame else "libraries"


def _name(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_code.co_name}"


def sample(file: Path, every_s: float = 0.002) -> None:
    ours: Counter[str] = Counter()
    inner: Counter[str] = Counter()
    me = threading.get_ident()
    written = time.monotonic()
    while True:
        time.sleep(every_s)
        for thread, frame in sys._current_frames().items():  # noqa: SLF001  (its documented use)
            found = None if thread == me else _of(frame)
            if found:
                inner[found[0]] += 1
                ours[found[1]] += 1
        if time.monotonic() - written > 1:
            written = time.monotonic()
            total = sum(ours.values()) or 1
            lines = [f"{n / total:6.1%} {name}" for name, n in ours.most_common(25)]
            lines += ["", *(f"{n / total:6.1%} {name}" for name, n in inner.most_common(25))]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    threading.Thread(target=sample, args=(Path(sys.argv[1]),), daemon=True).start()
    module = importlib.import_module(sys.argv[2])
    module.main()
