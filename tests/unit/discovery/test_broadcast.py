"""Where all in a network may be asked at once, what they are told, and whose answers count."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from pydantic import SecretStr

from services.discovery.broadcast import Attached, attached
from services.discovery.plan import V3, Limits, Pass, Plan, Wish, make_plan
from services.discovery.sweep import Answer, Sweep
from services.solo.simulator import SimulatedAgent
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.scope import AskingManner, CredentialRange, SegmentRule
from shared.snmp.wire import V2C
from shared.spans import addresses_of
from tests.unit.discovery.test_sweep import KYOCERA, answers_of

HERE = Attached("lan0", "10.0.0.1", IPv4Network("10.0.0.0/29"))
THERE = Attached("lan1", "10.0.1.1", IPv4Network("10.0.1.0/29"))
CREDENTIALS = {
    "public": PUBLIC,
    "named-public": PUBLIC,
    "branch": Credential(community=SecretStr("b")),
    "secure": Credential(version="3", user=SecretStr("u")),
}
HOSTS = [f"10.0.0.{n}" for n in range(1, 7)]


def plan(
    *names: str,
    at: Sequence[Attached] = (HERE,),
    segments: Sequence[str] = ("10.0.0.0/29",),
    allowed: Sequence[str] = ("10.0.0.0/8",),
    is_allowed: bool = True,
    **wish: Any,
) -> Plan:
    wish.setdefault("rules", [SegmentRule(range="10.0.0.0/29", broadcast=True)])
    wish.setdefault("credentials", [CredentialRange(range="10.0.0.0/8", credentials=list(names))])
    return make_plan(
        Wish(segments=tuple(segments), **wish),
        resolved={},
        ceiling=Ceiling(tuple(map(ip_network, allowed)), broadcast=is_allowed),
        credentials=CREDENTIALS,
        limits=Limits(),
        attached=at,
    )


def missed(made: Plan) -> dict[str, str]:
    return {one.target: one.reason for one in made.not_reached}


def test_a_chosen_segment_is_asked_as_public_and_then_one_by_one() -> None:
    made = plan("branch", "named-public", at=[HERE, THERE])

    [ask] = made.broadcasts
    [group] = ask.groups
    assert (ask.at, ask.port, ask.version) == (HERE, 161, V2C)
    assert group.passes[0] == Pass("named-public", V2C)
    assert list(addresses_of(group.spans)) == HOSTS
    assert made.size == len(HOSTS)
    assert missed(made) == {}


def test_with_a_user_of_v3_the_engines_are_asked_too() -> None:
    versions = [ask.version for ask in plan("secure", "public").broadcasts]

    assert versions == [V2C, V3]


def test_no_community_but_public_is_told_to_all() -> None:
    made = plan("branch")

    assert made.broadcasts == ()
    assert "none of its credentials is told to all" in missed(made)["broadcast in 10.0.0.0/29"]
    assert made.size == len(HOSTS)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"is_allowed": False}, "this site's ceiling does not allow broadcast"),
        ({"allowed": ["10.0.0.0/30"]}, "a broadcast reaches all of 10.0.0.0/29, and this site's"),
        ({"at": [THERE]}, "this box is not attached to it, or not all of it is searched"),
        ({"segments": ["10.0.0.0/30"]}, "this box is not attached to it, or not all of it is"),
    ],
)
def test_a_broadcast_that_was_chosen_and_is_not_sent_is_told(
    wish: dict[str, Any], reason: str
) -> None:
    made = plan("public", **wish)

    assert made.broadcasts == ()
    assert missed(made)["broadcast in 10.0.0.0/29"].startswith(reason)


@pytest.mark.parametrize(
    "wish",
    [
        {"rules": []},
        {"rules": [SegmentRule(range="10.0.0.0/8")]},
        {
            "rules": [
                SegmentRule(range="10.0.0.0/8", broadcast=True),
                SegmentRule(range="10.0.0.0/30"),
            ],
            "at": [HERE, THERE],
            "segments": ["10.0.0.0/23"],
        },
        {"kind": "read"},
    ],
)
def test_nothing_is_asked_by_broadcast_that_was_not_chosen_for_it(wish: dict[str, Any]) -> None:
    assert [ask.at for ask in plan("public", **wish).broadcasts if ask.at == HERE] == []


def test_answers_of_excluded_addresses_and_of_ranges_without_public_do_not_count() -> None:
    made = plan(
        exclusions=["10.0.0.3"],
        credentials=[
            CredentialRange(range="10.0.0.0/8", credentials=["public"]),
            CredentialRange(range="10.0.0.4-10.0.0.5", credentials=["branch"]),
        ],
    )

    [ask] = made.broadcasts
    counts = [address for group in ask.groups for address in addresses_of(group.spans)]
    assert counts == ["10.0.0.1", "10.0.0.2", "10.0.0.6"]


def test_typed_every_network_that_the_ceiling_allows_is_asked() -> None:
    outside = Attached("wan0", "192.0.2.9", IPv4Network("192.0.2.0/24"))
    made = plan("public", at=[HERE, THERE, outside], segments=(), rules=(), broadcast=True)

    assert [ask.at for ask in made.broadcasts] == [HERE, THERE]
    assert list(missed(made)) == ["broadcast in 192.0.2.0/24"]
    assert made.size == 0


def test_typed_where_there_is_no_network_it_is_told() -> None:
    made = plan("public", at=[], segments=(), rules=(), broadcast=True)

    assert missed(made) == {"broadcast": "this box is attached to no IPv4 network"}


def test_this_box_s_own_networks_are_seen_without_its_loopback() -> None:
    networks = [one.network for one in attached()]

    assert not any(network.is_loopback for network in networks)
    assert len(networks) == len(set(networks))


def sweep_of(made: Plan) -> Sweep:
    return Sweep(made, ceiling=Ceiling(()), credentials=CREDENTIALS, rate=0, timeout_s=0.01)


def answer_to(payload: bytes) -> bytes:
    answer = SimulatedAgent(KYOCERA).answer(payload, ("", 0))
    assert answer
    return answer


def came(sweep: Sweep) -> list[Answer]:
    answers = [sweep._queue.get_nowait() for _ in range(sweep._queue.qsize())]
    return [one for one in answers if one]


def test_an_answer_counts_once_from_its_own_segment_and_its_own_port() -> None:
    slow = AskingManner(pace=5)
    rule = SegmentRule(range="10.0.0.0/29", broadcast=True, manner=slow)
    sweep = sweep_of(plan("public", exclusions=["10.0.0.3"], rules=[rule]))
    [(_, question)] = sweep._broadcasts
    for address, port in [
        ("10.0.0.2", 161),
        ("10.0.0.2", 161),
        ("10.0.0.3", 161),
        ("10.0.1.2", 161),
        ("10.0.0.4", 162),
        ("fe80::1%lan0", 161),
    ]:
        sweep._received(answer_to(question), address, port)

    [answer] = came(sweep)
    assert (answer.address, answer.found_by, answer.credential, answer.version, answer.manner) == (
        "10.0.0.2",
        "broadcast",
        "public",
        V2C,
        slow,
    )


async def test_where_the_system_sends_no_broadcast_it_is_told_and_the_rest_is_asked() -> None:
    at = Attached("lo", "127.0.0.1", IPv4Network("127.9.4.0/30"))
    made = make_plan(
        Wish(
            segments=("127.9.4.0/30",),
            credentials=(CredentialRange(range="127.0.0.0/8", credentials=["public"]),),
            rules=(SegmentRule(range="127.9.4.0/30", broadcast=True),),
            port=9,
        ),
        resolved={},
        ceiling=(allowed := Ceiling((ip_network("127.0.0.0/8"),), frozenset({9}), broadcast=True)),
        credentials=CREDENTIALS,
        limits=Limits(),
        attached=[at],
    )
    sweep = Sweep(
        made, ceiling=Ceiling(allowed.networks, allowed.ports), credentials=CREDENTIALS, rate=0,
        timeout_s=0.01,
    )  # fmt: skip
    assert await answers_of(sweep) == {}

    assert sweep.traffic.packets_out == 2 * 2
    assert sweep.remarks == [
        "no broadcast in 127.9.4.0/30 at lo:"
        " 127.9.4.0/30: this site's ceiling does not allow broadcast"
    ]


def test_a_preview_counts_two_datagrams_a_question() -> None:
    sweep = sweep_of(plan("public", "secure"))

    count, _ = sweep.datagrams_at_most()
    assert count == 2 * 2 + len(HOSTS) * 4
