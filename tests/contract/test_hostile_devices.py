"""Devices that misbehave, read by one poller beside good ones: an end, and why in words."""

from __future__ import annotations

import asyncio
import re
import resource
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest

from services.solo.misbehaviour import Misbehaviour
from services.solo.simulator import Rows, SimulatedAgent
from shared.messages import MeterRead, ReadFailed
from tests.contract.polled import Outcome, Poller, running_poller, said, walk
from tests.peers.agent import Agents

READ_S = 10.0
GOOD = 20

_STANDS_STILL = r"does not advance: 1\.3\.6[.0-9]* came after 1\.3\.6"
_IS_GONE = "another device|was there before, and is not now"
# what a device does -> what the reason of the failed read says; None: it is read all the same
EXPECTED: Mapping[str, str | None] = {
    "loop": _STANDS_STILL,
    "same_row": _STANDS_STILL,
    "backwards": f"{_STANDS_STILL}|{_IS_GONE}",
    "endless": rf"more than \d+ rows|{_IS_GONE}",
    "growing": r"more than \d+ rows",
    "cut": "octets that are no answer",
    "cut_anywhere": "octets that are no answer",
    "lying_length": "octets that are no answer",
    "noise": "octets that are no answer",
    "echo": "octets that are no answer: a question",
    "wrong_id": "an answer to no open request came",
    "wrong_source": r"an answer came from 127\.[.0-9]+ port \d+ instead",
    "other_oids": rf"asked for 1\.3\.6.*, answered with 1\.3\.6[.0-9]*\.9|{_IS_GONE}",
    "more_varbinds": rf"asked for .*1\.3\.6.*, answered with|{_IS_GONE}",
    "nothing": r"asked for .*1\.3\.6.*, answered with (nothing|0 varbinds)",
    "gen_err": "genErr: the agent failed for a reason of its own; asked for 1.3.6",
    "too_big": "tooBig: the answer does not fit into the agent's message; asked for 1.3.6",
    "error_index": "nothing that it says is a printer's",
    "other_community": None,
    "other_version": None,
    "twice": None,
    "flood": None,
    "first_only": None,
    "no_bulk": None,
    "empty_bulk": None,
    "bulk_gen_err": None,
    "bulk_fewer": None,
    "bulk_more": None,
    "late": r"10\.0 s .* [1-9] answers",
    "silent": r"no SNMP answer in 3 tries of 2\.0 s",
    "one varbind": None,
    "484 octets": None,
    "huge": r"another device|broken off after \d+ octets",
    "flipping_types": "is no number",
}
FAULTS: Mapping[str, Mapping[str, Any]] = {
    **{kind: {"misbehave": kind} for kind in get_args(Misbehaviour)},
    "late": {"delay_s": 3.0},
    "silent": {"silent": True},
    "one varbind": {"max_varbinds": 1},
    "484 octets": {"max_message": 484},
}
IN_V1 = ("loop", "same_row", "backwards", "endless", "growing", "cut", "late", "too_big")
LIARS = frozenset({"huge", "flipping_types"})  # what they say may be what they are
COURSES = [
    *((kind, known, False) for kind in EXPECTED for known in (False, True)),
    *((kind, False, True) for kind in IN_V1),
]
IDS = [
    f"{kind}-{'known' if known else 'new'}{'-v1' if v1_only else ''}"
    for kind, known, v1_only in COURSES
]


@dataclass
class Course:
    """What became of one device: while it misbehaved, and when it no longer did."""

    clean: Mapping[str, Any]
    meanwhile: Outcome
    afterwards: Outcome
    requests: int
    seconds: float


@dataclass
class Ward:
    """All of them, read at once by one poller, with the good ones ordered last."""

    courses: dict[str, Course] = field(default_factory=dict)
    good: list[Outcome] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    grown_bytes: int = 0


class Nurse:
    def __init__(
        self, poller: Poller, agents: Agents, rows: Rows, clean: Mapping[str, Any]
    ) -> None:
        self._poller, self._agents, self._rows, self._clean = poller, agents, rows, clean
        self._addresses = count(int(ip_address("127.64.1.1")))
        self.ward = Ward()

    async def put(self, agent: SimulatedAgent) -> str:
        return await self._agents.start(agent, str(ip_address(next(self._addresses))))

    async def bad(self, name: str, kind: str, *, known: bool, v1_only: bool) -> None:
        agent = SimulatedAgent(self._rows, v1_only=v1_only)
        address = await self.put(agent)
        if known:
            await self._poller.read(address)
        well = dict(vars(agent))
        vars(agent).update(FAULTS[kind])
        requests, began = agent.requests, time.monotonic()
        meanwhile = await self._poller.read(address)
        seconds, requests = time.monotonic() - began, agent.requests - requests
        self.ward.ended.append(kind)
        vars(agent).update({name: well[name] for name in FAULTS[kind]})
        afterwards = await self._poller.read(address)
        self.ward.courses[name] = Course(self._clean, meanwhile, afterwards, requests, seconds)

    async def good(self) -> None:
        self.ward.good.append(await self._poller.read(await self.put(SimulatedAgent(self._rows))))
        self.ward.ended.append("good")


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return asyncio.run(_nursed(tmp_path_factory.mktemp("ward")))


async def _nursed(folder: Path) -> Ward:
    rows = walk("kyocera-colour-mfp")
    async with AsyncExitStack() as stack:
        agents = Agents(stack)
        in_flight = len(COURSES) + 2
        reading = running_poller(agents.port, folder, read_s=READ_S, in_flight=in_flight)
        poller = await stack.enter_async_context(reading)
        clean = await poller.read(await agents.start(SimulatedAgent(rows), "127.64.0.1"))
        assert isinstance(clean, MeterRead)
        nurse = Nurse(poller, agents, rows, said(clean))
        before = _most_bytes()
        async with asyncio.TaskGroup() as group:
            for name, (kind, known, v1_only) in zip(IDS, COURSES, strict=True):
                group.create_task(nurse.bad(name, kind, known=known, v1_only=v1_only))
            for _ in range(GOOD):
                group.create_task(nurse.good())
        nurse.ward.grown_bytes = _most_bytes() - before
        return nurse.ward


def _most_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", IDS)
def test_its_read_is_right_or_fails_and_says_why(ward: Ward, name: str) -> None:
    course, kind = ward.courses[name], name.partition("-")[0]
    reason = EXPECTED[kind]
    outcome = course.meanwhile
    if isinstance(outcome, ReadFailed):
        assert reason is not None, outcome.reason
        assert re.search(reason, outcome.reason)
    elif said(outcome) != course.clean:
        assert reason is not None, _unlike(outcome, course.clean)
        assert outcome.meters.items() <= course.clean["meters"].items()
        assert kind in LIARS or re.search(reason, f"{outcome.no_meters_because} {outcome.notes}")


@pytest.mark.parametrize("name", IDS)
def test_once_it_behaves_it_is_read_right(ward: Ward, name: str) -> None:
    """Nothing that was learned from it while it did not is kept against it."""
    course = ward.courses[name]

    assert said(course.afterwards) == course.clean


@pytest.mark.parametrize("name", IDS)
def test_it_costs_ten_seconds_and_few_datagrams(ward: Ward, name: str) -> None:
    course = ward.courses[name]

    assert course.seconds < READ_S + 5  # of which the machine may be busy
    assert course.requests < 1000


def test_no_good_device_waits_for_a_bad_one(ward: Ward) -> None:
    """Two places are left by those that hang for ten seconds, and twenty wait for these."""
    first_late = ward.ended.index("late")

    assert len(ward.good) == GOOD
    assert {str(said(read)) for read in ward.good} == {str(ward.courses[IDS[0]].clean)}
    assert "good" not in ward.ended[first_late:]


def test_memory_is_bounded(ward: Ward) -> None:
    assert ward.grown_bytes < 100 * 2**20


def _unlike(read: MeterRead, clean: Mapping[str, Any]) -> str:
    told = said(read)
    return "; ".join(f"{name}: {told[name]}" for name in told if told[name] != clean[name])
