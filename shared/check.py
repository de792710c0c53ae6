"""What `pagetally check` says: a line for each step that was tried."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

_SHOWN = {"ok": "ok  ", "failed": "FAIL", "skipped": "--  "}


class Step(NamedTuple):
    outcome: Literal["ok", "failed", "skipped"]
    name: str
    said: str
    advice: str = ""


async def tell(steps: AsyncIterator[Step], *, as_json: bool) -> bool:
    """Print each step as it ends; gives whether none failed."""
    fine = True
    async for step in steps:
        fine = fine and step.outcome != "failed"
        sys.stdout.write((_as_json(step) if as_json else _as_text(step)) + "\n")
        sys.stdout.flush()
    return fine


def _as_json(step: Step) -> str:
    return json.dumps(
        {"outcome": step.outcome, "step": step.name, "said": step.said, "try": step.advice or None}
    )


def _as_text(step: Step) -> str:
    advice = f"\n{'':17}try: {step.advice}" if step.advice else ""
    return f"{_SHOWN[step.outcome]} {step.name:<11} {step.said}{advice}"
