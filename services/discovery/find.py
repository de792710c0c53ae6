"""From answers to findings: each answer is judged as it comes, and asked more where it must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Literal, NamedTuple

from services.discovery.identify import FIRST_QUESTION, Evidence, Makers, ask_more, judge
from services.discovery.plan import FoundBy
from services.discovery.sweep import Answer, Sweep
from shared.credentials import Credential
from shared.messages import SnmpTarget
from shared.scope import AskingManner
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpError
from shared.snmp.wire import V1

_ASKED_AT_ONCE = 50

Outcome = Literal["printing", "not_a_printer", "answered", "no_credential"]


class Finding(NamedTuple):
    """An address that answered.

    "answered": it broke off before it could be judged; "no_credential": none that was tried fits.
    """

    outcome: Outcome
    target: SnmpTarget
    found_by: FoundBy
    credential: str
    version: int
    evidence: Evidence
    reason: str = ""
    tried: tuple[str, ...] = ()  # credentials, by name
    manner: AskingManner | None = None  # how its segment's rule has it asked


async def findings(
    sweep: Sweep, client: SnmpClient, credentials: Mapping[str, Credential], makers: Makers
) -> AsyncGenerator[Finding, None]:
    """Each answer of the sweep once, in the order in which they could be judged."""
    found: asyncio.Queue[Finding | None] = asyncio.Queue()
    slots = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def judge_all() -> None:
        try:
            async with asyncio.TaskGroup() as asking, aclosing(sweep.answers()) as answers:
                async for answer in answers:
                    finding = _judged(answer, makers)
                    if finding:
                        found.put_nowait(finding)
                    else:
                        asking.create_task(judge_more(answer))
        finally:
            found.put_nowait(None)

    async def judge_more(answer: Answer) -> None:
        async with slots:
            finding = await _asked_more(answer, client, credentials, makers)
            for other in answer.others if finding.outcome == "answered" else ():
                again = answer._replace(credential=other)
                finding = await _asked_more(again, client, credentials, makers)
                if finding.outcome != "answered":
                    break
            found.put_nowait(finding)

    judging = asyncio.create_task(judge_all())
    try:
        while (finding := await found.get()) is not None:
            yield finding
        await judging
    finally:
        judging.cancel()
        await asyncio.gather(judging, return_exceptions=True)


def _judged(answer: Answer, makers: Makers) -> Finding | None:
    evidence = Evidence().with_varbinds(answer.varbinds)
    verdict = judge(evidence, makers)
    return None if verdict == "ask_more" else _finding(verdict, answer, evidence)


async def _asked_more(
    answer: Answer, client: SnmpClient, credentials: Mapping[str, Credential], makers: Makers
) -> Finding:
    credential = credentials[answer.credential]
    if answer.version == V1:
        credential = Credential(version="1", community=credential.community)
    session = client.session(answer.address, answer.port, credential)
    evidence = Evidence().with_varbinds(answer.varbinds)
    try:
        if not answer.varbinds:
            evidence = evidence.with_varbinds((await session.get(FIRST_QUESTION)).values())
            verdict = judge(evidence, makers)
            if verdict != "ask_more":
                return _finding(verdict, answer, evidence)
        evidence = await ask_more(evidence, session)
    except SnmpError as error:
        return _finding("answered", answer, evidence, f"answered once, then: {error}")
    verdict = judge(evidence, makers)
    return _finding("printing" if verdict == "printing" else "not_a_printer", answer, evidence)


def _finding(
    outcome: Outcome,
    answer: Answer,
    evidence: Evidence,
    reason: str = "",
) -> Finding:
    target = SnmpTarget(snmp=answer.address, port=answer.port)
    return Finding(
        outcome, target, answer.found_by, answer.credential, answer.version, evidence, reason
    )
