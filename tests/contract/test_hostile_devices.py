"""Devices that misbehave, read by one poller beside good ones: an end, and why in words."""

from __future__ import annotations

import asyncio
import re
import resource
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
GOOD, HANGING = 20, 30

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


class Site:
    """Devices good and bad, and what became of each."""

    def __init__(self, agents: Agents, rows: Rows) -> None:
        self._agents, self._rows = agents, rows
        self._addresses = count(int(ip_address("127.64.0.1")))
        self.courses: dict[str, Course] = {}
        self.beside: list[tuple[str, Outcome]] = []  # those that hang and the good, as they ended
        self.grown_bytes = 0

    async def put(self, **fault: Any) -> tuple[SimulatedAgent, str]:
        agent = SimulatedAgent(self._rows, **fault)
        return agent, await self._agents.start(agent, str(ip_address(next(self._addresses))))

    async def follow(
        self, poller: Poller, clean: Mapping[str, Any], kind: str, *, known: bool, v1_only: bool
    ) -> Course:
        agent, address = await self.put(v1_only=v1_only)
        if known:
            await poller.read(address)
        well = dict(vars(agent))
        vars(agent).update(FAULTS[kind])
        requests, began = agent.requests, time.monotonic()
        meanwhile = await poller.read(address)
        seconds, requests = time.monotonic() - began, agent.requests - requests
        vars(agent).update({name: well[name] for name in FAULTS[kind]})
        return Course(clean, meanwhile, await poller.read(address), requests, seconds)

    async def read_beside(self, poller: Poller, **fault: Any) -> None:
        _, address = await self.put(**fault)
        outcome = await poller.read(address)
        self.beside.append(("late" if fault else "good", outcome))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return asyncio.run(_read_all(tmp_path_factory.mktemp("site")))


async def _read_all(folder: Path) -> Site:
    """At once: by one poller each course, by another those that hang and then the good ones."""
    rows = walk("kyocera-colour-mfp")
    async with AsyncExitStack() as stack:
        agents = Agents(stack)
        site = Site(agents, rows)
        of_courses = running_poller(agents.port, folder, in_flight=len(COURSES))
        poller = await stack.enter_async_context(of_courses)
        other = await stack.enter_async_context(running_poller(agents.port, folder))
        _, address = await site.put()
        clean = said(await poller.read(address))
        before = _most_bytes()
        async with asyncio.TaskGroup() as group:
            for _ in range(HANGING):
                group.create_task(site.read_beside(other, **FAULTS["late"]))
            for _ in range(GOOD):
                group.create_task(site.read_beside(other))
            courses = [
                group.create_task(site.follow(poller, clean, kind, known=known, v1_only=v1_only))
                for kind, known, v1_only in COURSES
            ]
        site.courses = {name: task.result() for name, task in zip(IDS, courses, strict=True)}
        site.grown_bytes = _most_bytes() - before
        return site


def _most_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", IDS)
def test_its_read_is_right_or_fails_and_says_why(site: Site, name: str) -> None:
    course, kind = site.courses[name], name.partition("-")[0]
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
def test_once_it_behaves_it_is_read_right(site: Site, name: str) -> None:
    """Nothing that was learned from it while it did not is kept against it."""
    course = site.courses[name]

    assert said(course.afterwards) == course.clean


@pytest.mark.parametrize("name", IDS)
def test_it_costs_ten_seconds_and_few_datagrams(site: Site, name: str) -> None:
    course = site.courses[name]

    assert course.seconds < READ_S + 5  # of which the machine may be busy
    assert course.requests < 1000


def test_no_good_device_waits_for_a_bad_one(site: Site) -> None:
    """The bad ones, ordered first, leave two of the poller's places to the good ones."""
    clean = site.courses[IDS[0]].clean
    ended = [kind for kind, _ in site.beside]

    assert ended == ["good"] * GOOD + ["late"] * HANGING
    assert [said(read) for kind, read in site.beside if kind == "good"] == [clean] * GOOD


def test_memory_is_bounded(site: Site) -> None:
    assert site.grown_bytes < 100 * 2**20


def _unlike(read: MeterRead, clean: Mapping[str, Any]) -> str:
    told = said(read)
    return "; ".join(f"{name}: {told[name]}" for name in told if told[name] != clean[name])
