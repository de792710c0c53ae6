"""From answers to findings: each answer is judged as it comes, and asked more where it must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Literal, NamedTuple

from services.discovery.groups import AS_SET, V3, FoundBy
from services.discovery.identify import FIRST_QUESTION, Evidence, Makers, ask_more, judge
from services.discovery.sweep import Answer, Sweep
from shared.credentials import Credential
from shared.messages import SnmpTarget
from shared.scope import AskingManner
from shared.snmp.client import SnmpClient
from shared.snmp.port import CredentialRefusedError, SnmpError
from shared.snmp.wire import V1, V2C

_ASKED_AT_ONCE = 50
_KNOWN_AT_ONCE = 1_000  # answers that are judged, or judged and not yet taken
_VERSIONS = {"1": V1, "2c": V2C, "3": V3}

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
    room = asyncio.Semaphore(_KNOWN_AT_ONCE)
    slots = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def judge_all() -> None:
        try:
            async with asyncio.TaskGroup() as asking, aclosing(sweep.answers()) as answers:
                async for answer in answers:
                    await room.acquire()
                    finding = _judged(answer, makers)
                    if finding:
                        found.put_nowait(finding)
                    else:
                        asking.create_task(judge_more(answer))
        finally:
            found.put_nowait(None)

    async def judge_more(answer: Answer) -> None:
        async with slots:
            found.put_nowait(await _asked_with_each(answer, client, credentials, makers))

    judging = asyncio.create_task(judge_all())
    try:
        while (finding := await found.get()) is not None:
            yield finding
            room.release()
        await judging
    finally:
        judging.cancel()
        await asyncio.gather(judging, return_exceptions=True)


def _judged(answer: Answer, makers: Makers) -> Finding | None:
    evidence = Evidence().with_varbinds(answer.varbinds)
    if not answer.credential:
        reason = "it speaks SNMPv3, and was silent to each credential that is set for it"
        return _finding("no_credential", answer, evidence, reason)._replace(tried=answer.tried)
    verdict = judge(evidence, makers)
    return None if verdict == "ask_more" else _finding(verdict, answer, evidence)


async def _asked_with_each(
    answer: Answer, client: SnmpClient, credentials: Mapping[str, Credential], makers: Makers
) -> Finding:
    """With the credential that was asked, and where SNMPv3 refuses it with those after it."""
    refused: list[Finding] = []
    for name in (answer.credential, *answer.others):
        version = _VERSIONS[credentials[name].version] if refused else answer.version
        asked = answer._replace(credential=name, version=version)
        finding = await _asked_more(asked, client, credentials[name], makers)
        if finding.outcome in {"printing", "not_a_printer"}:
            return finding
        refused.append(finding)
    tried = tuple(one.credential for one in refused)
    return refused[0]._replace(tried=tried)


async def _asked_more(
    answer: Answer, client: SnmpClient, credential: Credential, makers: Makers
) -> Finding:
    if answer.version == V1:
        credential = Credential(version="1", community=credential.community)
    manner = answer.manner or AS_SET
    session = client.session(
        answer.address,
        answer.port,
        credential,
        timeout_s=manner.timeout_s,
        tries=manner.tries,
        max_message=manner.max_message,
    )
    evidence = Evidence().with_varbinds(answer.varbinds)
    try:
        if not answer.varbinds:
            evidence = evidence.with_varbinds((await session.get(FIRST_QUESTION)).values())
            verdict = judge(evidence, makers)
            if verdict != "ask_more":
                return _finding(verdict, answer, evidence)
        evidence = await ask_more(evidence, session)
    except CredentialRefusedError as error:
        return _finding("no_credential", answer, evidence, str(error))
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
        outcome,
        target,
        answer.found_by,
        answer.credential,
        answer.version,
        evidence,
        reason,
        manner=answer.manner,
    )
