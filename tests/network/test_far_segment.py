"""A segment behind a slow and lossy line of small packets is searched and read completely."""

from __future__ import annotations

import json
from pathlib import Path

from services.solo.simulator import SimulatedAgent
from shared.messages import MeterRead, RoundFinished, SnmpTarget
from tests.flow.fleet import WALKS
from tests.network.lab import SEGMENTS, lab, only, walk
from tests.network.test_what_a_search_costs import PRINTERS

FAR = {"timeout_s": 3.0, "tries": 4, "max_message": 1232}
SCOPE = {
    "segments": [SEGMENTS["b"]],
    "credentials": [{"range": SEGMENTS["b"], "credentials": ["public"]}],
    "rules": [{"range": SEGMENTS["b"], "manner": FAR}],
}


async def test_a_segment_300_ms_away_that_loses_packets_is_read_completely(tmp_path: Path) -> None:
    agents = {
        at: SimulatedAgent(walk(name), delay_s=0.3, loss=0.02) for at, name in PRINTERS.items()
    }
    with lab(tmp_path, agents, mtu_of_b=1280) as site:
        told = await site.round(
            SCOPE,
            ceiling='networks = ["10.61.0.0/16"]\npace = 2000\n',
            discovery={"rate": 2000},
        )
        fragments = [one for one in site.captures["box"].packets() if one.is_fragment]

    [finished] = only(RoundFinished, told)
    assert (finished.answered, finished.asked) == (len(PRINTERS), 254)
    totals = {
        one.target.snmp: one.meters.get("total")
        for one in only(MeterRead, told)
        if isinstance(one.target, SnmpTarget)
    }
    assert totals == {at: _total(name) for at, name in PRINTERS.items()}
    assert fragments == []


def _total(name: str) -> int | None:
    truth = json.loads((WALKS / f"{name}.json").read_text(encoding="utf-8"))
    said = truth["meters"].get("total")
    total: int | None = said["value"] if isinstance(said, dict) else said
    return total
