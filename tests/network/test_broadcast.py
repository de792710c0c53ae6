"""Where it was chosen, and the ceiling allows it, one question an interface finds devices."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from services.solo.simulator import SimulatedAgent
from shared.messages import MeterRead, RoundFinished, SnmpTarget
from tests.network.lab import SEGMENTS, lab, only, walk

PRINTERS = {"10.61.1.20": "kyocera-colour-mfp", "10.61.1.21": "mono-laser"}
BEHIND = {"10.61.2.30": "hp-colour-mfp"}
TO_ALL, DIRECTED = "255.255.255.255", "10.61.1.255"
SCOPE = {
    "segments": [SEGMENTS["a"], SEGMENTS["b"]],
    "credentials": [{"range": "10.61.0.0/16", "credentials": ["public"]}],
    "rules": [{"range": segment, "broadcast": True} for segment in SEGMENTS.values()],
}


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_local_devices_answer_one_question_an_interface(
    tmp_path: Path, is_allowed: bool
) -> None:
    devices = {at: SimulatedAgent(walk(name)) for at, name in (PRINTERS | BEHIND).items()}
    with lab(tmp_path, devices) as site:
        told = await site.round(
            SCOPE,
            ceiling=(
                'networks = ["10.61.0.0/16"]\npace = 2000\n'
                f"broadcast = {'true' if is_allowed else 'false'}\n"
            ),
            discovery={"rate": 2000, "timeout_s": 0.5},
        )
        sent = [one for one in site.captures["box"].packets() if one.is_sent]

    asked = Counter(str(one.destination) for one in sent if one.destination_port == 161)
    assert (asked[TO_ALL], asked[DIRECTED]) == ((1, 1) if is_allowed else (0, 0))
    reads = only(MeterRead, told)
    assert {one.target.snmp for one in reads if isinstance(one.target, SnmpTarget)} == {*devices}
    refused = [one for part in only(RoundFinished, told) for one in part.not_reached]
    assert is_allowed != any("broadcast" in one.reason for one in refused)
