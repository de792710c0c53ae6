"""Ranges with an SNMPv3 credential: who is there is asked without a user and without a secret."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import aclosing
from ipaddress import ip_network
from typing import Any, cast

import pytest
from pydantic import SecretStr

from services.discovery.find import Finding, findings
from services.discovery.identify import load_makers
from services.discovery.plan import V3, Known, Limits, Pass, Plan, Wish, make_plan
from services.discovery.sweep import Answer, Sweep
from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.scope import CredentialRange
from shared.snmp.client import SnmpClient, WireSession
from shared.snmp.port import Traffic, Value
from shared.snmp.v3_ask import V3Asker
from shared.snmp.v3_exchange import V3Exchange
from shared.snmp.wire import V1, V2C, WireError
from tests.peers.agent import free_udp_port
from tests.peers.crowd import Crowd
from tests.peers.v3_agent import V3Agent, answering

USER, PASSWORD = "the-meter-reader", "a-long-password"
CREDENTIALS = {
    name: Credential(
        version="3",
        user=SecretStr(USER),
        auth="sha256",
        auth_password=SecretStr(PASSWORD),
        context="a-context",
    )
    for name in ("secure", "secure-too")
} | {
    "unknown": Credential(version="3", user=SecretStr("somebody-else")),
    "public": PUBLIC,
    "old": Credential(version="1", community=SecretStr("o")),
}
CEILING = ip_network("127.9.0.0/16")


def plan_of(port: int, *names: str, known: tuple[Known, ...] = ()) -> Plan:
    return make_plan(
        Wish(
            kind="read" if known else "search",
            segments=("127.9.3.1-127.9.3.4",),
            credentials=(CredentialRange(range="127.9.0.0/16", credentials=list(names)),),
            known=known,
            port=port,
        ),
        resolved={},
        ceiling=Ceiling((CEILING,), frozenset({port})),
        credentials=CREDENTIALS,
        limits=Limits(),
    )


def passes_of(*names: str) -> tuple[Pass, ...]:
    [group] = plan_of(161, *names).groups
    return group.passes


def sweep_of(port: int, *names: str) -> Sweep:
    return Sweep(
        plan_of(port, *names),
        ceiling=Ceiling((CEILING,), frozenset({port})),
        credentials=CREDENTIALS,
        rate=0,
        timeout_s=0.2,
    )


async def answers_of(port: int, *names: str) -> tuple[Sweep, list[Answer]]:
    sweep = sweep_of(port, *names)
    async with aclosing(sweep.answers()) as answers:
        return sweep, [answer async for answer in answers]


async def test_an_engine_is_found_by_a_question_that_holds_no_user_and_no_secret() -> None:
    port = free_udp_port()
    agent = V3Agent(CREDENTIALS["secure"], {})
    async with answering(agent, "127.9.3.2", port):
        sweep, [answer] = await answers_of(port, "secure")

    assert answer == Answer("127.9.3.2", port, "sweep", "secure", V3, ())
    [question] = agent.received
    for secret in (USER, PASSWORD, "a-context", "public", "secure"):
        assert secret.encode() not in question
    assert sweep.traffic.packets_out == 4 + 3
    assert sweep.traffic.bytes_out == 7 * (len(question) + 28)
    assert sweep.datagrams_at_most() == (8, 8 * (len(question) + 28))


async def test_a_device_of_v3_and_one_of_v2c_are_found_in_one_range() -> None:
    port = free_udp_port()
    old = SimulatedAgent({"1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41")})
    agent = V3Agent(CREDENTIALS["secure"], {})
    async with answering(agent, "127.9.3.2", port), simulate({("127.9.3.3", port): old}):
        _, answers = await answers_of(port, "secure", "public")

    assert {(one.address, one.credential, one.version) for one in answers} == {
        ("127.9.3.2", "secure", V3),
        ("127.9.3.3", "public", V2C),
    }


async def test_an_engine_that_answers_may_have_each_of_the_users_set_for_its_range() -> None:
    port = free_udp_port()
    agent = V3Agent(CREDENTIALS["secure"], {})
    async with answering(agent, "127.9.3.2", port):
        _, [answer] = await answers_of(port, "secure", "public", "secure-too")

    assert (answer.credential, answer.others) == ("secure", ("public", "secure-too"))
    assert len(agent.received) == 1


async def test_what_is_no_report_answers_no_engine_question() -> None:
    port = free_udp_port()
    agent = V3Agent(CREDENTIALS["secure"], {}, misbehave="response_to_engine_question")
    async with answering(agent, "127.9.3.2", port):
        _, answers = await answers_of(port, "secure")

    assert answers == []
    assert len(agent.received) == 2


async def test_no_community_is_sent_to_a_range_of_v3_alone() -> None:
    async with Crowd(SimulatedAgent({})) as crowd:
        _, answers = await answers_of(crowd.port, "secure")

    assert answers == []
    assert set(crowd.asked.values()) == {2}


class V3Client:
    """Sessions of SNMPv3, whatever the credential."""

    def __init__(self, ceiling: Ceiling) -> None:
        self._exchange = V3Exchange(ceiling, Traffic(), timeout_s=0.3, tries=2)

    def session(
        self, address: str, port: int, credential: Credential, **_: float | None
    ) -> WireSession:
        return WireSession(V3Asker(self._exchange, address, port, credential, deadline_s=5))


@pytest.mark.parametrize("names", [("secure",), ("unknown", "secure"), ("unknown",)])
async def test_an_engine_is_judged_by_what_it_tells_the_user_that_it_knows(
    names: tuple[str, ...],
) -> None:
    port = free_udp_port()
    rows: Mapping[str, tuple[str, Value]] = {
        "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41")
    }
    sweep = sweep_of(port, *names)
    client = cast(SnmpClient, V3Client(sweep.ceiling))
    found = findings(sweep, client, CREDENTIALS, load_makers())
    async with answering(V3Agent(CREDENTIALS["secure"], rows), "127.9.3.2", port), aclosing(found):
        [finding] = [one async for one in found]

    assert (finding.credential, finding.version) == (names[-1], V3)
    if "secure" in names:
        assert (finding.outcome, finding.evidence.object_id) == ("printing", "1.3.6.1.4.1.1347.41")
    else:
        assert (finding.outcome, finding.tried) == ("no_credential", names)
        assert finding.reason.startswith("127.9.3.2")


class BothVersions(V3Agent):
    """An engine of a user whom nobody here is, and what answers beside it in v1 and v2c."""

    def __init__(self, old: SimulatedAgent) -> None:
        super().__init__(CREDENTIALS["secure"], {})
        self.old = old

    def answer(self, datagram: bytes) -> bytes | None:
        try:
            return super().answer(datagram)
        except WireError:
            return self.old.answer(datagram, ("", 0))


PRINTER: Rows = {"1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41")}
SILENT = SimulatedAgent({}, silent=True)


async def findings_of(port: int, *names: str, **wish: Any) -> tuple[Sweep, list[Finding]]:
    ceiling = Ceiling((CEILING,), frozenset({port}))
    made = make_plan(
        Wish(
            credentials=(CredentialRange(range="0.0.0.0/0", credentials=list(names)),),
            **wish,
            port=port,
        ),
        resolved={},
        ceiling=ceiling,
        credentials=CREDENTIALS,
        limits=Limits(tries=1),
    )
    sweep = Sweep(made, ceiling=ceiling, credentials=CREDENTIALS, rate=0, timeout_s=0.2)
    async with (
        SnmpClient(ceiling, timeout_s=0.3) as client,
        aclosing(findings(sweep, client, CREDENTIALS, load_makers())) as found,
    ):
        return sweep, [one async for one in found]


@pytest.mark.parametrize(
    "wish",
    [
        {"targets": ("127.9.3.2",)},
        {"kind": "read", "known": (Known("127.9.3.2", 0, "public", V2C),)},
    ],
)
async def test_a_device_that_speaks_v3_and_answers_to_no_community_is_said_to_be_there(
    wish: dict[str, Any],
) -> None:
    port = free_udp_port()
    wish = {**wish, "known": tuple(one._replace(port=port) for one in wish.get("known", ()))}
    async with answering(agent := BothVersions(SILENT), "127.9.3.2", port):
        sweep, [finding] = await findings_of(port, "public", "old", **wish)

    assert (finding.outcome, finding.target.snmp, finding.credential) == (
        "no_credential",
        "127.9.3.2",
        "",
    )
    assert finding.tried == ("public", "old")
    assert sweep.traffic.packets_out == len(agent.received) == 3 + 1
    assert sweep.datagrams_at_most()[0] == 4


async def test_a_searched_segment_is_not_asked_for_engines_where_no_user_is_set() -> None:
    port = free_udp_port()
    async with answering(agent := BothVersions(SILENT), "127.9.3.2", port):
        _, found = await findings_of(port, "public", "old", segments=("127.9.3.2-127.9.3.3",))

    assert found == []
    assert len(agent.received) == 3


async def test_a_device_that_refuses_the_user_is_asked_with_the_credentials_after_it() -> None:
    port = free_udp_port()
    async with answering(BothVersions(SimulatedAgent(PRINTER)), "127.9.3.2", port):
        _, [finding] = await findings_of(
            port, "unknown", "public", segments=("127.9.3.2-127.9.3.3",)
        )

    assert (finding.outcome, finding.credential, finding.version) == ("printing", "public", V2C)


def test_what_one_datagram_alone_asks_for_is_asked_twice() -> None:
    """With 5 % of datagrams lost, two passes are what finds 99 of 100."""
    assert passes_of("secure") == (Pass("secure", V3),) * 2
    assert passes_of("old") == (Pass("old", V1),) * 2
    assert passes_of("secure", "secure-too") == (Pass("secure", V3), Pass("secure-too", V3))
    assert passes_of("secure", "public") == (
        Pass("secure", V3),
        Pass("public", V2C),
        Pass("public", V1),
        Pass("secure", V3),
    )


def test_a_known_device_of_v3_is_asked_for_its_engine_as_often_as_any_other() -> None:
    [group] = plan_of(161, "secure", known=(Known("127.9.3.2", 161, "secure", V3),)).groups

    assert group.passes == (Pass("secure", V3),) * 3


@pytest.mark.parametrize("name", ["secure", "public"])
async def test_whatever_octets_come_with_an_id_of_the_sweep_nothing_but_answers_comes_of_it(
    name: str,
) -> None:
    sweep = sweep_of(161, name)
    [question, *_] = sweep._payloads.values()
    agent = V3Agent(CREDENTIALS[name], {}) if name == "secure" else SimulatedAgent({})
    answer = (
        agent.answer(question) if isinstance(agent, V3Agent) else agent.answer(question, ("", 0))
    )
    assert answer
    dice = random.Random(name)
    for _ in range(3000):
        octets = bytearray(answer)
        for _ in range(dice.randint(1, 4)):
            octets[dice.randrange(len(octets))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, *octets))
        sweep._received(bytes(octets[: dice.randint(20, len(octets))]), "127.9.3.1", 161)
        sweep._done.clear()
    sweep._received(answer, "127.9.3.2", 161)

    came = [sweep._queue.get_nowait() for _ in range(sweep._queue.qsize())]
    assert came[-1] is not None and came[-1].address == "127.9.3.2"
    assert {one.address for one in came[:-1] if one} <= {"127.9.3.1"}
